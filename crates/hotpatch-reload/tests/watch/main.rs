//! Saves files in the ways in which editors, tools and deployments do, and sees what is told.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "functions of a test")]

mod saves;
mod when;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hotpatch_reload::{Change, Waited, Watcher};

const OLD: &str = "x = 1\n";
const NEW: &str = "x = 2\n";

/// Far more than any of it takes.
const LONG: Option<Duration> = Some(Duration::from_secs(20));
/// Longer than anything is put off.
const SHORT: Option<Duration> = Some(Duration::from_millis(700));

/// A directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hotpatch-watch-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("src/package/inner")).unwrap();
        fs::write(path.join("src/package/inner/module.py"), OLD).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("src/package/inner/module.py")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn watchers() -> [Watcher; 2] {
    watchers_with(Duration::from_millis(30))
}

fn watchers_with(poll: Duration) -> [Watcher; 2] {
    [None, Some(poll)].map(|poll| Watcher::new(Duration::from_millis(20), poll))
}

/// For files that are written slowly: some writes come between two looks.
fn slow_watchers() -> [Watcher; 2] {
    watchers_with(Duration::from_millis(300))
}

/// Write byte by byte, and close the file in the end.
fn write_slowly(path: &Path, content: &str) -> JoinHandle<()> {
    let mut open = fs::File::create(path).unwrap();
    let content = content.to_owned();
    thread::spawn(move || {
        for byte in content.as_bytes().chunks(1) {
            thread::sleep(Duration::from_millis(40));
            open.write_all(byte).unwrap();
        }
    })
}

fn changes(watcher: &Watcher) -> Vec<Change> {
    match watcher.wait(LONG) {
        Waited::Changes(changes) => changes,
        other => panic!("{other:?}"),
    }
}

fn change(path: &Path, content: &str) -> Vec<Change> {
    vec![Change { path: path.to_path_buf(), content: content.into() }]
}
