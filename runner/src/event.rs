//! What apply tells its audience: progress bars on a terminal, else one line a change of state, always on stderr.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use plan::{Action, Change};
use stages::resource::STAYS;

use crate::terminal;

/// Something that happened to one change of the plan.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// Work on it began.
    Started,
    /// It waits for something, or has something to say.
    Said(&'a str),
    /// It is done.
    Done,
    /// It failed.
    Failed(&'a str),
}

/// Shows events.
pub(crate) struct Audience {
    bars: Option<MultiProgress>,
    shown: std::sync::Mutex<Vec<Option<(ProgressBar, Instant)>>>,
}

impl Audience {
    /// An audience for a plan of so many changes.
    pub(crate) fn new(changes: usize) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, shown: std::sync::Mutex::new((0..changes).map(|_| None).collect()) }
    }

    /// Tells of an event.
    pub(crate) fn tell(&self, index: usize, change: &Change, event: &Event<'_>) {
        let what = format!("{} {} `{}`", doing(change.action), change.kind, change.name);
        let what = printable::escape_line(&what).into_owned();
        let stage = change.id.stage().to_owned();
        let mut shown = self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(slot) = shown.get_mut(index) else { return };
        match event {
            Event::Started => {
                let bar = match &self.bars {
                    Some(bars) => spinner(bars, stage.clone(), what.clone()),
                    None => ProgressBar::hidden(),
                };
                if self.bars.is_none() {
                    line(&format!("{stage}: {what}"));
                }
                *slot = Some((bar, Instant::now()));
            }
            Event::Said(text) => match (&self.bars, &slot) {
                (Some(bars), _) if STAYS.iter().any(|begins| text.starts_with(begins)) => {
                    _ = bars.println(printable::escape(&format!("{stage}: {text}")));
                }
                (Some(_), Some((bar, _))) => {
                    bar.set_message(format!("{what}: {}", printable::escape_line(text)));
                }
                _ => line(&format!("{stage}: {text}")),
            },
            Event::Done | Event::Failed(_) => {
                let Some((bar, began)) = slot.take() else { return };
                let end = match event {
                    Event::Failed(why) => format!("failed: {why}"),
                    _ => format!("done in {}", seconds(began.elapsed())),
                };
                let text = format!("{stage}: {what}: {end}");
                match &self.bars {
                    Some(bars) => {
                        bar.finish_and_clear();
                        bars.remove(&bar);
                        _ = bars.println(printable::escape(&text));
                    }
                    None => line(&text),
                }
            }
        }
    }
}

/// A bar for rows that are read before anything is planned; on a terminal only, and not for what takes no time.
#[derive(Default)]
pub(crate) struct ReadingBar(std::cell::OnceCell<ProgressBar>);

impl ReadingBar {
    /// Shows how many bytes of the file have been read.
    pub(crate) fn show(&self, progress: stages::inputs::ReadProgress) {
        let bar = self.0.get_or_init(|| {
            let bar = ProgressBar::new(progress.total_bytes);
            if let Ok(style) = ProgressStyle::with_template(
                "reading the data {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go",
            ) {
                bar.set_style(style);
            }
            bar
        });
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
        if progress.done_bytes >= progress.total_bytes {
            bar.finish_and_clear();
        }
    }
}

impl Drop for ReadingBar {
    fn drop(&mut self) {
        if let Some(bar) = self.0.get() {
            bar.finish_and_clear();
        }
    }
}

/// Today, as in `2026-01-31`, by this machine's clock and zone.
pub(crate) fn today() -> String {
    jiff::Zoned::now().date().to_string()
}

/// Seconds, with as many digits as a person cares for.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

/// Ticks only once it belongs to the others: before, it would draw a line of its own that nobody clears.
fn spinner(bars: &MultiProgress, stage: String, what: String) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:16} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_prefix(stage);
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Replace => "replacing",
        Action::Delete => "deleting",
        Action::Check => "trying",
        Action::Keep | Action::Blocked => "keeping",
    }
}

fn line(text: &str) {
    terminal::say(text);
}
