//! Requests while something else happens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::http::{Answer, Http, posted};
use super::scene::features;

/// Asks every now and then, and waits until so many have been answered.
fn wait_for_more(answered: &AtomicUsize, more: usize) {
    let goal = answered.load(Ordering::Relaxed) + more;
    for _ in 0..1200 {
        if answered.load(Ordering::Relaxed) >= goal {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no {more} answers within a minute");
}

struct SetWhenLeft<'a>(&'a AtomicBool);

impl Drop for SetWhenLeft<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends requests one after another, with a pause between them, while something is done; all answers that were not 200.
pub(crate) fn ask_during(url: &str, pause: Duration, doing: impl FnOnce()) -> (usize, Vec<Answer>) {
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let bad = thread::scope(|scope| {
        let client = scope.spawn(|| {
            let http = Http::new();
            let mut bad = vec![];
            while !stop.load(Ordering::Relaxed) {
                let answer = http.try_send(posted(url, &features()));
                let answer = answer.unwrap_or_else(|error| Answer { text: error, ..Answer::default() });
                if answer.status != 200 {
                    bad.push(answer);
                }
                answered.fetch_add(1, Ordering::Relaxed);
                thread::sleep(pause);
            }
            bad
        });
        {
            // A failed assertion ends the requests as well, and so the test.
            let _stop = SetWhenLeft(&stop);
            wait_for_more(&answered, 100);
            doing();
            wait_for_more(&answered, 100);
        }
        client.join().unwrap()
    });
    (answered.into_inner(), bad)
}
