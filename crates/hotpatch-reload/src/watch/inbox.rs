//! What the system told, until somebody looks.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::Event;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};

use super::QUIET;

/// Whether the system tells the paths as we name them, and when the writer of a file closes it.
pub(super) const EXACT: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// How long a look is put off at most because there is always something new.
const LONGEST: Duration = Duration::from_millis(500);

/// Collects events, and wakes whoever waits for them.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
    debounce: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// The paths for which an event matters, and for how many steps.
    paths: HashMap<PathBuf, usize>,
    /// When the first and the last event came of those that nobody has looked after.
    came: Option<(Instant, Instant)>,
    events: Events,
    /// The files that were written to, and not closed since then.
    writing: HashMap<PathBuf, Instant>,
    /// When to look even without an event.
    next: Option<Instant>,
    /// There is a notice, and nobody was woken for it.
    notice: bool,
    closed: bool,
}

/// What happened, as far as the places are concerned to which paths lead.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Where something came, went or was replaced.
    pub(super) replaced: HashSet<PathBuf>,
    /// That some events were lost.
    pub(super) lost: bool,
}

/// Why somebody who waits goes on.
pub(super) enum News {
    /// It is time to look.
    Events(Events),
    /// There is a notice.
    Notice,
    /// The time is over.
    Nothing,
    /// The watcher was closed.
    Closed,
}

impl Inbox {
    pub(super) fn new(debounce: Duration) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), debounce: debounce.min(LONGEST) }
    }

    /// Wait until it is time to look.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> News {
        let mut state = self.state();
        loop {
            if state.closed {
                return News::Closed;
            }
            if mem::take(&mut state.notice) {
                return News::Notice;
            }
            let now = Instant::now();
            let quiet = state.came.map(|(first, last)| (last + self.debounce).min(first + LONGEST));
            let due = [quiet, state.next].into_iter().flatten().min();
            if due.is_some_and(|due| due <= now) {
                if quiet.is_some_and(|quiet| quiet <= now) {
                    state.came = None;
                }
                state.next = None;
                return News::Events(mem::take(&mut state.events));
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                return News::Nothing;
            }
            state = match [due, deadline].into_iter().flatten().min() {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let waited = self.wake.wait_timeout(state, end - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Take in what the system tells.
    pub(super) fn tell(&self, event: &Event) {
        let opened = matches!(event.kind, EventKind::Access(kind) if !is_end_of_write(kind));
        if opened {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        let mut matters = event.need_rescan();
        state.events.lost |= matters;
        for path in &event.paths {
            if EXACT && !state.paths.contains_key(path) {
                continue;
            }
            matters = true;
            match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) if EXACT => {
                    state.writing.insert(path.clone(), now);
                }
                EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {}
                EventKind::Access(_) => {
                    state.writing.remove(path);
                }
                _ => {
                    state.writing.remove(path);
                    state.events.replaced.insert(path.clone());
                }
            }
        }
        if matters {
            self.came(state, now);
        }
    }

    /// Take in that events were lost.
    pub(super) fn lost(&self) {
        let mut state = self.state();
        state.events.lost = true;
        self.came(state, Instant::now());
    }

    fn came(&self, mut state: MutexGuard<'_, State>, now: Instant) {
        let first = state.came.map(|(first, _)| first);
        state.came = Some((first.unwrap_or(now), now));
        // Who waits already wakes in time, and then sees that there was more.
        if first.is_none() {
            self.wake.notify_all();
        }
    }

    /// When a file was written to that has not been closed, if that is not long ago.
    pub(super) fn written(&self, path: &Path) -> Option<Instant> {
        let mut state = self.state();
        state.writing.retain(|_, at| at.elapsed() < QUIET);
        state.writing.get(path).copied()
    }

    /// Look at this time even without an event.
    pub(super) fn look_at(&self, at: Instant) {
        let mut state = self.state();
        if state.next.is_none_or(|next| at < next) {
            state.next = Some(at);
            self.wake.notify_all();
        }
    }

    /// Begin to care for events of a path.
    pub(super) fn watch(&self, path: &Path) {
        *self.state().paths.entry(path.to_path_buf()).or_default() += 1;
    }

    /// Care for them once less.
    pub(super) fn unwatch(&self, path: &Path) {
        let mut state = self.state();
        if let Some(users) = state.paths.get_mut(path) {
            *users -= 1;
            if *users == 0 {
                state.paths.remove(path);
                state.writing.remove(path);
            }
        }
    }

    /// Let whoever waits go on once, since there is a notice.
    pub(super) fn notice(&self) {
        self.state().notice = true;
        self.wake.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_end_of_write(kind: AccessKind) -> bool {
    matches!(kind, AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, MetadataKind};

    use super::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    fn written() -> EventKind {
        EventKind::Modify(ModifyKind::Data(DataChange::Any))
    }

    fn is_told(inbox: &Inbox) -> bool {
        matches!(inbox.wait(Some(Instant::now())), News::Events(_))
    }

    #[test]
    fn only_some_events_matter() {
        let inbox = Inbox::new(Duration::ZERO);
        inbox.watch(Path::new("/a/module.py"));
        if EXACT {
            inbox.tell(&event(written(), "/a/other.py"));
        }
        inbox.tell(&event(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/a/module.py"));
        assert!(!is_told(&inbox));
        for kind in [
            written(),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::File),
        ] {
            inbox.tell(&event(kind, "/a/module.py"));
            assert!(is_told(&inbox), "{kind:?}");
        }
        assert!(!is_told(&inbox));
        if EXACT {
            inbox.unwatch(Path::new("/a/module.py"));
            inbox.tell(&event(written(), "/a/module.py"));
            assert!(!is_told(&inbox));
        }
    }

    #[test]
    fn lost_events_are_a_reason_to_look() {
        let inbox = Inbox::new(Duration::ZERO);
        inbox.tell(&Event::new(EventKind::Other).set_flag(Flag::Rescan));
        let News::Events(events) = inbox.wait(None) else { panic!("no news") };
        assert!(events.lost);
        inbox.lost();
        let News::Events(events) = inbox.wait(None) else { panic!("no news") };
        assert!(events.lost);
        assert!(!is_told(&inbox));
    }
}
