//! The machine, as far as it matters to a reader: no names of hosts and no paths.

use std::fs;

/// Processors that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The processor's model, cores and memory, each as name and value.
pub(crate) fn facts() -> Vec<(String, String)> {
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal").and_then(|it| it.trim_end_matches("kB").trim().parse::<f64>().ok());
    let memory = memory.map_or_else(|| "unknown".to_owned(), |kib| format!("{:.0} GB", kib * 1024.0 / 1e9));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    vec![
        ("Processor".to_owned(), format!("{model}, {} cores", cores())),
        ("Memory".to_owned(), memory),
        ("Load average at the start, which should be near 0".to_owned(), load),
    ]
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
