//! What the operating system knows of the service: where it listens, how much memory it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The address at which the Worker's own process answers. `wrangler dev` puts a proxy before it, which would be the first to
/// give way.
pub fn direct_address(workerds: &[u32], proxy_port: u16) -> Option<(u32, String)> {
    let found = workerds.iter().find_map(|pid| {
        let ports = listening_ports(*pid);
        if ports.contains(&proxy_port) {
            return None;
        }
        let answers = |port: &u16| {
            ureq::get(format!("http://127.0.0.1:{port}/health"))
                .call()
                .ok()
                .and_then(|mut answer| answer.body_mut().read_to_string().ok())
                .is_some_and(|text| text.contains(r#""status":"ok""#))
        };
        ports.into_iter().find(answers).map(|port| (*pid, port))
    });
    found.map(|(pid, port)| (pid, format!("http://127.0.0.1:{port}")))
}

fn listening_ports(pid: u32) -> Vec<u16> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    // "sl local_address rem_address st …", the inode in the tenth column; state 0A listens.
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let listens = *columns.get(3)? == "0A" && sockets.iter().any(|inode| inode == columns[9]);
            let port = u16::from_str_radix(columns.get(1)?.split(':').nth(1)?, 16).ok()?;
            listens.then_some(port)
        })
        .collect()
}

/// Resident memory in MB; `None` if the process is gone.
pub fn resident_mb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
}

/// Seconds of processor time that a process has used.
pub fn processor_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// Looks at a process's memory four times a second until it is asked for what it saw.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<u64>>,
}

impl Watch {
    pub fn memory(pid: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                seen.extend(resident_mb(pid));
                std::thread::sleep(Duration::from_millis(250));
            }
            seen
        });
        Self { stop, thread }
    }

    /// MB, one after the other.
    pub fn seen(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
