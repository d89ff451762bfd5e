//! Where a path leads, and the directories that tell when it leads elsewhere.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Weak};
use std::{iter, mem};

use notify::{Config, ErrorKind, EventHandler, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::inbox::{EXACT, Inbox};

/// So many symbolic links Linux follows.
const MOST_LINKS: usize = 40;

/// A name in a directory that must be looked up to get to a file.
#[derive(Debug)]
pub(super) struct Step {
    /// The directory, without symbolic links, and the name.
    pub(super) path: PathBuf,
    /// Whether changes of it would be missed without events of that directory: it is a link, or the end.
    needed: bool,
}

/// The steps to a file that are worth to be watched, up to the file or to what is not there.
///
/// These are the ones from `root` on, all symbolic links, and in any case the last two.
pub(super) fn steps(path: &Path, root: &Path) -> Vec<Step> {
    let mut steps: Vec<(Step, bool)> = Vec::new();
    let (mut at, mut given, mut links) = (PathBuf::new(), PathBuf::new(), 0);
    let mut rest: Vec<(OsString, bool)> = reversed(path).zip(iter::repeat(true)).collect();
    while let Some((name, is_given)) = rest.pop() {
        if is_given {
            given.push(&name);
        }
        match Path::new(&name).components().next() {
            Some(Component::Normal(_)) => {}
            Some(Component::ParentDir) => {
                at.pop();
                continue;
            }
            Some(Component::CurDir) | None => continue,
            Some(_) => {
                at.push(&name);
                continue;
            }
        }
        let place = at.join(&name);
        let found = fs::symlink_metadata(&place);
        let is_link = found.as_ref().is_ok_and(Metadata::is_symlink);
        let is_kept = is_link || (is_given && given.starts_with(root));
        steps.push((Step { path: place.clone(), needed: is_link }, is_kept));
        if is_link {
            links += 1;
            let Some(target) = fs::read_link(&place).ok().filter(|_| links <= MOST_LINKS) else {
                break;
            };
            rest.extend(reversed(&target).zip(iter::repeat(false)));
        } else if found.is_ok() {
            at = place;
        } else {
            break;
        }
    }
    for (index, (step, is_kept)) in steps.iter_mut().rev().take(2).enumerate() {
        *is_kept = true;
        step.needed |= index == 0;
    }
    steps.into_iter().filter(|(_, is_kept)| *is_kept).map(|(step, _)| step).collect()
}

/// The parts of a path from its end.
fn reversed(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().rev().map(|part| part.as_os_str().to_os_string())
}

/// The directories that are watched.
#[derive(Debug)]
pub(super) struct Directories {
    notify: Notify,
    inbox: Arc<Inbox>,
    known: HashMap<PathBuf, Directory>,
}

#[derive(Debug, Default)]
struct Directory {
    users: usize,
    /// Which directory is watched, if one is: there may be another under the same path by now.
    watched: Option<(u64, u64)>,
}

impl Directories {
    pub(super) fn new(inbox: &Arc<Inbox>) -> notify::Result<Self> {
        let notify = Notify::new(inbox)?;
        Ok(Self { notify, inbox: Arc::clone(inbox), known: HashMap::new() })
    }

    /// Watch the directories of these steps. Returns whether one of them was not watched before.
    pub(super) fn hold(&mut self, steps: &[Step]) -> notify::Result<bool> {
        // All are counted first, so that they can be released also after an error.
        for (path, directory) in with_directories(steps.iter().map(|step| &step.path)) {
            self.inbox.watch(path);
            self.inbox.watch(directory);
            self.known.entry(directory.to_path_buf()).or_default().users += 1;
        }
        let mut is_new = false;
        for step in steps {
            if let Some(directory) = step.path.parent() {
                is_new |= self.watch(directory, step.needed)?;
            }
        }
        Ok(is_new)
    }

    fn watch(&mut self, path: &Path, needed: bool) -> notify::Result<bool> {
        let Some(directory) = self.known.get_mut(path) else { return Ok(false) };
        // Found before it is watched: if it is replaced in between, that is noticed the next time.
        let Ok(found) = fs::metadata(path) else { return Ok(true) };
        let found = identity(&found);
        if directory.watched == Some(found) {
            return Ok(false);
        }
        // What is still watched under this path may be the directory that was here before.
        self.notify.unwatch(path);
        directory.watched = None;
        match self.notify.watch(path) {
            Ok(()) => directory.watched = Some(found),
            Err(error) if is(&error, io::ErrorKind::NotFound) => {}
            Err(error) if is(&error, io::ErrorKind::PermissionDenied) && !needed => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Undo what `hold` did for steps with these paths.
    pub(super) fn release(&mut self, steps: &[PathBuf]) {
        for (path, directory) in with_directories(steps.iter()) {
            self.inbox.unwatch(path);
            self.inbox.unwatch(directory);
            if let Some(known) = self.known.get_mut(directory) {
                known.users -= 1;
                if known.users == 0 {
                    self.known.remove(directory);
                    self.notify.unwatch(directory);
                }
            }
        }
    }

    /// Watch no longer what may have been replaced, and return which directories that are.
    pub(super) fn drop_if(&mut self, is_replaced: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let mut dropped = Vec::new();
        for (path, directory) in &mut self.known {
            // notify drops its watches of all directories below one that goes.
            if path.ancestors().any(&is_replaced) {
                directory.watched = None;
                self.notify.unwatch(path);
                dropped.push(path.clone());
            }
        }
        dropped
    }

    /// Let everything arrive that the system has told until now.
    pub(super) fn catch_up(&mut self) {
        self.notify.catch_up();
    }
}

/// Paths and the directories that they are in.
fn with_directories<'a>(
    paths: impl Iterator<Item = &'a PathBuf>,
) -> impl Iterator<Item = (&'a Path, &'a Path)> {
    paths.filter_map(|path| Some((path.as_path(), path.parent()?)))
}

fn is(error: &notify::Error, kind: io::ErrorKind) -> bool {
    match &error.kind {
        ErrorKind::Io(error) => error.kind() == kind,
        ErrorKind::PathNotFound => kind == io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Tells directories apart that have been under one path.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Where a directory that is watched cannot be replaced unnoticed.
#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// notify, as long as its thread runs: without it, its methods and its `Drop` panic.
#[derive(Debug)]
struct Notify {
    watcher: Option<RecommendedWatcher>,
    thread: Weak<()>,
}

/// Lives in the thread of notify.
struct Handler {
    inbox: Arc<Inbox>,
    _alive: Arc<()>,
}

impl EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        match event {
            Ok(event) => self.inbox.tell(&event),
            Err(_) => self.inbox.lost(),
        }
    }
}

impl Notify {
    fn new(inbox: &Arc<Inbox>) -> notify::Result<Self> {
        let alive = Arc::new(());
        let thread = Arc::downgrade(&alive);
        let handler = Handler { inbox: Arc::clone(inbox), _alive: alive };
        let watcher = RecommendedWatcher::new(handler, Config::default())?;
        let mut this = Self { watcher: Some(watcher), thread };
        // It does not say so when its thread could not be started.
        this.alive()?;
        Ok(this)
    }

    fn alive(&mut self) -> notify::Result<&mut RecommendedWatcher> {
        let is_alive = self.thread.strong_count() > 0;
        self.watcher
            .as_mut()
            .filter(|_| is_alive)
            .ok_or_else(|| notify::Error::generic("the thread that reads events does not run"))
    }

    fn watch(&mut self, path: &Path) -> notify::Result<()> {
        self.alive()?.watch(path, RecursiveMode::NonRecursive)
    }

    /// Errors are ignored: what is gone is not watched any more.
    fn unwatch(&mut self, path: &Path) {
        let _ = self.alive().and_then(|watcher| watcher.unwatch(path));
    }

    // Its thread takes messages and events in the order in which they came, and answers this one.
    fn catch_up(&mut self) {
        if EXACT {
            let _ = self.alive().and_then(|watcher| watcher.configure(Config::default()));
        }
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        if self.alive().is_err() {
            mem::forget(self.watcher.take());
        }
    }
}
