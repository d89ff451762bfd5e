//! Tells which source files were saved with another content.
//!
//! The content decides. That something happened in a directory is only a reason to look, and so a save is found
//! however it was made, and nothing is told of a file that was touched or written anew as it was.

mod files;
mod inbox;
mod places;

use std::mem;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use files::Files;
use inbox::{Inbox, News};

/// How long a file must have been left alone that is empty now, or that its writer has not closed.
const QUIET: Duration = Duration::from_millis(500);

/// How often files are looked at if the system does not tell of changes.
const POLL: Duration = Duration::from_secs(1);

/// Watches files, and tells which of them have another content.
///
/// All methods can be called from several threads at once. In a process that was forked from the one that made
/// it, a watcher is closed.
#[derive(Debug)]
pub struct Watcher {
    /// Taken away only when it is dropped.
    inner: Option<Inner>,
    /// The process that has the thread which hears of events.
    process: u32,
}

/// A file that has another content than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As it was added.
    pub path: PathBuf,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Why a wait is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// These files have another content.
    Changes(Vec<Change>),
    /// There is a [notice](Watcher::notice). This is told once.
    Notice,
    /// Nothing has changed in the time.
    Nothing,
    /// The watcher is closed.
    Closed,
}

// Locked is always `files` first and then the inbox. The thread that hears of events locks only the inbox, since
// whoever has `files` may be waiting for it.
#[derive(Debug)]
struct Inner {
    inbox: Arc<Inbox>,
    files: Mutex<Files>,
}

impl Watcher {
    /// Start to watch.
    ///
    /// Changes are told when nothing has happened for the time `debounce`. With `poll` the files are looked at so
    /// often, and otherwise when the system tells that something happened. If it cannot, they are looked at each
    /// second, and there is a [`notice`](Self::notice).
    #[must_use]
    pub fn new(debounce: Duration, poll: Option<Duration>) -> Self {
        let inbox = Arc::new(Inbox::new(debounce));
        let files = Mutex::new(Files::new(&inbox, poll));
        Self { inner: Some(Inner { inbox, files }), process: process::id() }
    }

    /// Watch a file, which need not exist.
    ///
    /// It is told of when its content is another than `content`, at once if it is now. Without `content` that is
    /// what is in the file now. A file that was added before is only given another content by this.
    ///
    /// `root` is a directory above the file, or the one that it is in. If it or one between the two is replaced,
    /// that is seen. By default it is the directory of the file.
    pub fn add(&self, path: &Path, content: Option<&[u8]>, root: Option<&Path>) {
        if let Some(inner) = self.inner() {
            inner.files().add(path, content, root);
        }
    }

    /// Watch a file no longer.
    pub fn remove(&self, path: &Path) {
        if let Some(inner) = self.inner() {
            inner.files().remove(path);
        }
    }

    /// Wait until files have another content, at most for the time `timeout`.
    pub fn wait(&self, timeout: Option<Duration>) -> Waited {
        let Some(inner) = self.inner() else { return Waited::Closed };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            match inner.inbox.wait(deadline) {
                News::Closed => return Waited::Closed,
                News::Notice => return Waited::Notice,
                News::Nothing => return Waited::Nothing,
                News::Events(events) => {
                    let changes = inner.files().look(&events);
                    if !changes.is_empty() {
                        return Waited::Changes(changes);
                    }
                }
            }
        }
    }

    /// Why the files are looked at each second, if they are although nobody asked for it.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        self.inner()?.files().notice.clone()
    }

    /// Stop to watch, and let go whoever waits. Can be called twice.
    pub fn close(&self) {
        if let Some(inner) = self.inner() {
            inner.inbox.close();
            inner.files().close();
        }
    }

    /// What there is to work with, unless this process was forked from the one that has it.
    ///
    /// In a forked process there is no thread that would answer, a lock may be held by a thread that is not
    /// there, and what it protects may be half changed.
    fn inner(&self) -> Option<&Inner> {
        self.inner.as_ref().filter(|_| self.process == process::id())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.inner().is_none() {
            mem::forget(self.inner.take());
        }
    }
}

impl Inner {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
