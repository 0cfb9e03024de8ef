//! The machine, as far as it matters to a reader: no names of hosts and no paths.

use std::fs;
use std::time::Duration;

/// Processors that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The processor's model, cores and memory, each as name and value.
pub(crate) fn facts() -> Vec<(String, String)> {
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal").and_then(|it| it.trim_end_matches("kB").trim().parse::<f64>().ok());
    let memory = memory.map_or_else(|| "unknown".to_owned(), |kib| format!("{:.0} GB", kib * 1024.0 / 1e9));
    vec![("Processor".to_owned(), format!("{model}, {} cores", cores())), ("Memory".to_owned(), memory)]
}

/// The share of the processors' time that went to other programs during a moment in which the harness sleeps.
///
/// None where the kernel does not tell.
pub(crate) fn busy() -> Option<f64> {
    const MOMENT: Duration = Duration::from_secs(1);
    let before = times()?;
    std::thread::sleep(MOMENT);
    let after = times()?;
    let idle = after.0 - before.0;
    let all = after.1 - before.1;
    (all > 0.0).then(|| 1.0 - idle / all)
}

/// Ticks of all processors since the start: idle ones, waiting for a disk included, and all.
fn times() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    // user nice system idle iowait irq softirq steal; what follows is counted in user already.
    let ticks: Vec<f64> = line.split_whitespace().take(8).filter_map(|it| it.parse().ok()).collect();
    Some((ticks.get(3)? + ticks.get(4)?, ticks.iter().sum()))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
