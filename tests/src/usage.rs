//! What this process has used so far: processor time and memory, for benches.

use anyhow::{Context, Result};

/// User and system time; fields 14 and 15 of proc(5) stat, counted from behind the name, in hundredths of a second.
pub fn cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').context("reading our own processor time")?.1;
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// A line of proc(5) status in MB.
pub fn memory_mb(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).context("reading our own memory")?;
    let kb: f64 = line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).context("reading our own memory")?;
    Ok(kb / 1024.0)
}
