//! Starting a service, and ending it without a warning.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Service, unique};

const ROOT_KEY: &str = "root-key-of-a-test";

/// A service of a test's own.
pub struct Running {
    script: Child,
    pub service: Service,
}

impl Running {
    /// Starts the service with this state; `config` names another `wrangler.toml` than the project's.
    pub fn start(state_dir: &Path, config: Option<&str>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/serve.sh"));
        if let Some(config) = config {
            command.env("CONFIG", config);
        }
        let mut script = command
            .env("PORT", port.to_string())
            .env("STATE_DIR", state_dir)
            .env("ROOT_API_KEY", ROOT_KEY)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("READY ").expect("the service did not start").to_owned();
        let service = Service { url, root_key: ROOT_KEY.into(), state_dir: state_dir.into() };
        Self { script, service }
    }

    /// The same with an empty folder, named after the test, for the state.
    pub fn temporary(name: &str, config: Option<&str>) -> Self {
        let state_dir = std::env::temp_dir().join(unique(&format!("edge-kpi-{name}")));
        std::fs::create_dir_all(&state_dir).unwrap();
        Self::start(&state_dir, config)
    }

    /// The processes of this service that run a program of this name.
    pub fn processes(&self, name: &str) -> Vec<u32> {
        let is_named = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
        };
        descendants(self.script.id()).into_iter().filter(is_named).collect()
    }

    /// Kills workerd, wrangler and the script at once, without a warning.
    pub fn kill(self) {
        drop(self);
    }

    /// The same, and its state goes. (That of a test that fails stays, for whoever wants to know.)
    pub fn remove(self) {
        let state_dir = self.service.state_dir.clone();
        drop(self);
        std::fs::remove_dir_all(state_dir).unwrap();
    }
}

/// Also when a test fails: what it started must not go on.
impl Drop for Running {
    fn drop(&mut self) {
        let mut pids = descendants(self.script.id());
        pids.push(self.script.id());
        for pid in pids {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.script.wait();
    }
}

/// All processes below one, by their parents.
fn descendants(root: u32) -> Vec<u32> {
    let mut parents = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // "pid (name) state parent …"; the name may hold spaces.
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.insert(pid, parent.unwrap_or(0));
    }
    let below = |pid: u32| {
        std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).skip(1).any(|p| p == root)
    };
    parents.keys().copied().filter(|pid| below(*pid)).collect()
}
