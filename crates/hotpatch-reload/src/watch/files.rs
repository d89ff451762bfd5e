//! The files, and what is known of each.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::mem;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use notify::ErrorKind;

use crate::digest::{Digest, digest};

use super::inbox::{Events, Inbox};
use super::places::{Directories, steps};
use super::{Change, POLL, QUIET};

/// A file that was changed so long ago has other times when it is changed again.
const TICK: Duration = Duration::from_millis(50);

/// The longest time between two looks, which must fit into a point in time.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a path is followed until nothing changes on the way meanwhile.
const TRIES: usize = 10;

/// Too many open files, in every Unix; no kind of error in the standard library.
const EMFILE: i32 = 24;

/// All files that are watched.
#[derive(Debug)]
pub(super) struct Files {
    inbox: Arc<Inbox>,
    watched: BTreeMap<PathBuf, Watched>,
    /// None if the files are polled.
    directories: Option<Directories>,
    poll: Duration,
    /// Why the files are polled although nobody asked for it.
    pub(super) notice: Option<String>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    root: PathBuf,
    /// Those from its path on that are watched. The last is where it is.
    steps: Vec<PathBuf>,
    /// Of the content that was told last.
    known: Option<Digest>,
    /// A file that still has this has the known content.
    signature: Option<Signature>,
    /// What a file with another content must go on to be for so long.
    waiting: Option<(Signature, Instant)>,
    /// Since when it could be told of.
    ready: Option<Instant>,
}

impl Files {
    pub(super) fn new(inbox: &Arc<Inbox>, poll: Option<Duration>) -> Self {
        let inbox = Arc::clone(inbox);
        let watched = BTreeMap::new();
        let mut this = Self {
            inbox,
            watched,
            directories: None,
            poll: poll.unwrap_or(POLL).min(LONGEST),
            notice: None,
        };
        match poll {
            Some(_) => this.inbox.look_at(Instant::now() + this.poll),
            None => match Directories::new(&this.inbox) {
                Ok(directories) => this.directories = Some(directories),
                Err(error) => this.start_to_poll(&error),
            },
        }
        this
    }

    pub(super) fn add(&mut self, path: &Path, content: Option<&[u8]>, root: Option<&Path>) {
        if self.inbox.is_closed() {
            return;
        }
        let place = path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let root = root.or_else(|| place.parent()).unwrap_or(&place);
        let root = path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
        let known = content.map(|content| digest(&content));
        let mut file = Watched {
            path: place,
            root,
            steps: Vec::new(),
            known,
            signature: None,
            waiting: None,
            ready: None,
        };
        self.follow(&mut file);
        if let Some((signature, content)) = read(&file.path) {
            let found = digest(&content);
            if *file.known.get_or_insert(found) == found {
                file.signature = signature.settled();
            } else {
                self.inbox.look_at(Instant::now());
            }
        }
        if let Some(before) = self.watched.insert(path.to_path_buf(), file) {
            self.release(&before.steps);
        }
    }

    pub(super) fn remove(&mut self, path: &Path) {
        if let Some(file) = self.watched.remove(path) {
            self.release(&file.steps);
        }
    }

    pub(super) fn close(&mut self) {
        self.directories = None;
        self.watched.clear();
    }

    /// Find the files that have another content.
    pub(super) fn look(&mut self, events: &Events) -> Vec<Change> {
        if self.inbox.is_closed() {
            return Vec::new();
        }
        self.follow_again(events);
        let mut found = Vec::new();
        for (path, file) in &mut self.watched {
            if let Some((signature, content)) = file.read_if_changed() {
                found.push((path.clone(), signature, content));
            }
        }
        // A writer may have begun while the files were read.
        if let Some(directories) = self.directories.as_mut().filter(|_| !found.is_empty()) {
            directories.catch_up();
        }
        let changes = self.changes(found);
        if self.directories.is_none() {
            self.inbox.look_at(Instant::now() + self.poll);
        }
        changes
    }

    /// Those of the files that were read that are to be told of now.
    fn changes(&mut self, found: Vec<(PathBuf, Signature, Vec<u8>)>) -> Vec<Change> {
        let polled = self.directories.is_none().then_some(self.poll);
        let mut ready = Vec::new();
        let (mut later, mut latest) = (None, None);
        for (path, signature, content) in found {
            let Some(file) = self.watched.get_mut(&path) else { continue };
            match file.judge(signature, &content, polled, &self.inbox) {
                Verdict::Same => {}
                Verdict::Later(time) => later = Some(earlier(later, time)),
                Verdict::Ready(since) => {
                    latest = Some(earlier(latest, since + QUIET));
                    ready.push((path, signature, content));
                }
            }
        }
        if let Some(time) = later {
            self.inbox.look_at(time);
            // They may belong together, as in a checkout. But nobody waits for long.
            if let Some(latest) = latest.filter(|latest| *latest > Instant::now()) {
                self.inbox.look_at(latest);
                return Vec::new();
            }
        }
        let told = ready.into_iter().map(|(path, signature, content)| {
            if let Some(file) = self.watched.get_mut(&path) {
                file.has(signature, &content);
            }
            Change { path, content }
        });
        told.collect()
    }

    /// Watch other directories where a path leads elsewhere, or a directory was replaced.
    fn follow_again(&mut self, events: &Events) {
        let Some(directories) = &mut self.directories else { return };
        if events.replaced.is_empty() && !events.lost {
            return;
        }
        let is_replaced = |path: &Path| events.lost || events.replaced.contains(path);
        let dropped: HashSet<PathBuf> = directories.drop_if(is_replaced).into_iter().collect();
        let is_changed = |step: &PathBuf| {
            is_replaced(step) || step.parent().is_some_and(|it| dropped.contains(it))
        };
        let mut files = mem::take(&mut self.watched);
        for file in files.values_mut() {
            if file.steps.iter().any(is_changed) {
                self.follow(file);
            }
        }
        self.watched = files;
    }

    /// Watch the directories that tell of changes of a file.
    fn follow(&mut self, file: &mut Watched) {
        for _ in 0..TRIES {
            let Some(directories) = &mut self.directories else { return };
            let steps = steps(&file.path, &file.root);
            let held = directories.hold(&steps);
            let steps = steps.into_iter().map(|step| step.path).collect();
            directories.release(&mem::replace(&mut file.steps, steps));
            match held {
                // What happened on the way before a directory was watched, nobody tells.
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.start_to_poll(&error),
            }
        }
    }

    fn release(&mut self, steps: &[PathBuf]) {
        if let Some(directories) = &mut self.directories {
            directories.release(steps);
        }
    }

    fn start_to_poll(&mut self, error: &notify::Error) {
        self.directories = None;
        let seconds = self.poll.as_secs_f64();
        let reason = reason(error);
        self.notice = Some(format!("files are polled every {seconds} s, since {reason}"));
        self.inbox.notice();
        self.inbox.look_at(Instant::now() + self.poll);
    }
}

/// Why there are no events, and what can be done about it.
fn reason(error: &notify::Error) -> String {
    let limit = |what: &str, name: &str| format!("there are too many {what}; raise {name}");
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            limit("watched directories of this user", "fs.inotify.max_user_watches")
        }
        ErrorKind::Io(error) if error.raw_os_error() == Some(EMFILE) => limit(
            "inotify instances of this user or open files of this process",
            "fs.inotify.max_user_instances or the limit of open files (ulimit -n)",
        ),
        _ => format!("the system cannot tell of changes: {error}"),
    }
}

/// What is to be done about a file that was read.
enum Verdict {
    Same,
    /// It is to be looked at again then.
    Later(Instant),
    /// It can be told of since then.
    Ready(Instant),
}

impl Watched {
    fn read_if_changed(&mut self) -> Option<(Signature, Vec<u8>)> {
        let now = fs::metadata(&self.path).ok().map(|it| Signature::of(&it));
        if now.is_some() && now == self.signature {
            return None;
        }
        self.signature = None;
        read(&self.path)
    }

    /// Decide about what was read.
    fn judge(
        &mut self,
        signature: Signature,
        content: &[u8],
        polled: Option<Duration>,
        inbox: &Inbox,
    ) -> Verdict {
        if self.known == Some(digest(&content)) {
            self.has(signature, content);
            return Verdict::Same;
        }
        let now = Instant::now();
        if let Some(written) = self.steps.last().and_then(|path| inbox.written(path)) {
            self.ready = None;
            return Verdict::Later(written + QUIET);
        }
        let emptied = (content.is_empty() && self.known.is_some()).then_some(QUIET);
        if let Some(time) = emptied.or(polled.map(|poll| poll.min(QUIET))) {
            let until = match self.waiting {
                Some((before, until)) if before == signature => until,
                _ => now + time,
            };
            if until > now {
                (self.waiting, self.ready) = (Some((signature, until)), None);
                return Verdict::Later(until);
            }
        }
        Verdict::Ready(*self.ready.get_or_insert(now))
    }

    /// Remember that this content is known.
    fn has(&mut self, signature: Signature, content: &[u8]) {
        (self.known, self.signature) = (Some(digest(&content)), signature.settled());
        (self.waiting, self.ready) = (None, None);
    }
}

fn earlier(time: Option<Instant>, other: Instant) -> Instant {
    time.map_or(other, |time| time.min(other))
}

/// A file that still has this has most likely not been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signature {
    size: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Signature {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let inode = (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        Self { size: metadata.len(), modified: metadata.modified().ok(), inode }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }

    /// When the file was changed last, also if somebody has set back the time of that.
    #[cfg(unix)]
    fn changed(self) -> Option<SystemTime> {
        let (_, _, seconds, nanoseconds) = self.inode;
        let since = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    #[cfg(not(unix))]
    fn changed(self) -> Option<SystemTime> {
        self.modified
    }

    /// Nothing if the file could be changed now and would still have this.
    fn settled(self) -> Option<Self> {
        let age = SystemTime::now().duration_since(self.changed()?).ok()?;
        (age > TICK).then_some(self)
    }
}

/// What is in a file, and its signature before that was read.
fn read(path: &Path) -> Option<(Signature, Vec<u8>)> {
    // One cannot open a pipe without waiting for its other end.
    fs::metadata(path).ok().filter(Metadata::is_file)?;
    let read = || -> io::Result<_> {
        let mut file = File::open(path)?;
        let signature = Signature::of(&file.metadata()?);
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        Ok((signature, content))
    };
    read().ok()
}
