//! A browser without a window, which loads a page and says what is wrong with it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Loading takes a second or two; machines that build beside it are slow.
const LIMIT: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// What the page is looked at with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) width_px: u32,
    pub(crate) dark: bool,
}

/// What stands in the page when the probe has run.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What is wrong, in words; lines of the console among them.
    pub(crate) complaints: Vec<String>,
    pub(crate) charts: Vec<String>,
    pub(crate) title: String,
}

/// The name of a browser that can be run.
#[expect(clippy::print_stderr, reason = "a test that is skipped should say so")]
pub(crate) fn find() -> Option<&'static str> {
    let runs = |name: &&str| {
        let version = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|it| it.success())
    };
    let found = NAMES.into_iter().find(runs);
    if found.is_none() {
        eprintln!("skipped: there is no {}", NAMES.join(" and no "));
    }
    found
}

/// A window is at least 500 px wide, a frame in it may be narrower. It is dark where the page around it is.
fn frame(view: View) -> String {
    format!(
        "<!DOCTYPE html><meta name='color-scheme' content='light dark'><body>\
         <iframe src='page.html' style='border: 0; width: {}px; height: 900px'></iframe></body>",
        view.width_px
    )
}

/// Loads a copy of the page with the probe in it. Scripts are allowed in the copy, and still nothing may be fetched.
pub(crate) fn look(browser: &str, html: &str, view: View) -> Seen {
    const POLICY: &str = "default-src 'none';";
    assert!(html.contains(POLICY), "the page has no content security policy");
    let script = format!("<script>{}</script></body>", include_str!("probe.js"));
    let copy = html.replace(POLICY, &format!("{POLICY} script-src 'unsafe-inline';")).replace("</body>", &script);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.html"), copy).unwrap();
    std::fs::write(folder.path().join("frame.html"), frame(view)).unwrap();
    let (dom, log) = run(browser, folder.path(), view);

    let (_, after) = dom.split_once("<pre id=\"measured\">").unwrap_or_else(|| panic!("the probe did not run: {log}"));
    let measured: serde_json::Value = serde_json::from_str(after.split_once("</pre>").unwrap().0).unwrap();
    let texts = |name: &str| -> Vec<String> {
        measured[name].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let mut complaints = texts("complaints");
    complaints.extend(log.lines().filter(|it| it.contains("CONSOLE")).map(str::to_owned));
    assert_eq!(measured["window_px"], view.width_px);
    assert_eq!(measured["dark"], view.dark, "the browser does not honour the scheme");
    let background = measured["background"].as_f64().unwrap();
    if view.dark != (background < 0.05) || (!view.dark && background < 0.9) {
        complaints.push(format!("the background has a luminance of {background:.2}"));
    }
    assert!(measured["texts"].as_u64().unwrap() > 20, "the probe found no text");
    Seen { complaints, charts: texts("charts"), title: measured["title"].as_str().unwrap().to_owned() }
}

fn run(browser: &str, folder: &Path, view: View) -> (String, String) {
    let (dom, log) = (folder.join("dom.html"), folder.join("log.txt"));
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!view.dark)))
        // So that the probe in the frame may write into the page around it.
        .args(["--allow-file-access-from-files", "--window-size=1400,1000"])
        .arg(format!("file://{}", folder.join("frame.html").display()))
        .stdout(File::create(&dom).unwrap())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("`{browser}` took more than {LIMIT:?}");
        }
        #[expect(clippy::disallowed_methods, reason = "a test looks from outside, and has to look again")]
        std::thread::sleep(POLL);
    }
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    (read(&dom), read(&log))
}
