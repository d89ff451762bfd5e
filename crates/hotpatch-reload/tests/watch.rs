//! Saves files in the ways in which editors, tools and deployments do, and sees what is told.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "functions of a test")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

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
        fs::create_dir_all(path.join("src/package")).unwrap();
        fs::write(path.join("src/package/module.py"), OLD).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("src/package/module.py")
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

/// Save in some way, and see that this is told, and then a save in place too.
fn check(prepare: impl Fn(&Path, &Path), save: impl Fn(&Path, &Path)) {
    for watcher in watchers() {
        let folder = Folder::new();
        let (top, file) = (folder.0.as_path(), folder.file());
        prepare(top, &file);
        watcher.add(&file, Some(OLD.as_bytes()), Some(&top.join("src")));
        save(top, &file);
        assert_eq!(changes(&watcher), change(&file, NEW));
        fs::write(&file, "x = 33\n").unwrap();
        assert_eq!(changes(&watcher), change(&file, "x = 33\n"));
        assert_eq!(watcher.notice(), None);
    }
}

fn nothing(_: &Path, _: &Path) {}

#[test]
fn in_place() {
    check(nothing, |_, file| fs::write(file, NEW).unwrap());
}

#[test]
fn replaced() {
    check(nothing, |_, file| {
        let other = file.with_extension("tmp");
        fs::write(&other, NEW).unwrap();
        fs::rename(&other, file).unwrap();
    });
}

#[test]
fn deleted_and_created() {
    check(nothing, |_, file| {
        fs::remove_file(file).unwrap();
        fs::write(file, NEW).unwrap();
    });
}

#[test]
fn moved_to_a_backup() {
    check(nothing, |_, file| {
        fs::rename(file, file.with_extension("py~")).unwrap();
        fs::write(file, NEW).unwrap();
    });
}

#[test]
fn with_the_time_of_before() {
    check(nothing, |_, file| {
        let time = fs::metadata(file).unwrap().modified().unwrap();
        let mut open = OpenOptions::new().write(true).open(file).unwrap();
        open.write_all(NEW.as_bytes()).unwrap();
        open.set_modified(time).unwrap();
    });
}

#[test]
fn with_an_older_time() {
    check(nothing, |_, file| {
        let other = file.with_extension("tmp");
        fs::write(&other, NEW).unwrap();
        let open = OpenOptions::new().write(true).open(&other).unwrap();
        open.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fs::rename(&other, file).unwrap();
    });
}

#[test]
fn target_of_a_link() {
    let far = |top: &Path, file: &Path| {
        fs::create_dir(top.join("far")).unwrap();
        fs::rename(file, top.join("far/real.py")).unwrap();
        symlink("../../far/middle.py", file).unwrap();
        symlink("real.py", top.join("far/middle.py")).unwrap();
    };
    check(far, |top, _| fs::write(top.join("far/real.py"), NEW).unwrap());
    check(far, |top, _| {
        fs::write(top.join("far/other.py"), NEW).unwrap();
        symlink("other.py", top.join("far/swap")).unwrap();
        fs::rename(top.join("far/swap"), top.join("far/middle.py")).unwrap();
    });
}

/// As Kubernetes does with the files of a `ConfigMap`.
#[test]
fn data_of_a_config_map() {
    let prepare = |_: &Path, file: &Path| {
        let at = file.parent().unwrap();
        fs::create_dir(at.join("..1")).unwrap();
        fs::rename(file, at.join("..1/module.py")).unwrap();
        symlink("..1", at.join("..data")).unwrap();
        symlink("..data/module.py", file).unwrap();
    };
    check(prepare, |_, file| {
        let at = file.parent().unwrap();
        fs::create_dir(at.join("..2")).unwrap();
        fs::write(at.join("..2/module.py"), NEW).unwrap();
        symlink("..2", at.join("..data_tmp")).unwrap();
        fs::rename(at.join("..data_tmp"), at.join("..data")).unwrap();
        fs::remove_dir_all(at.join("..1")).unwrap();
    });
}

#[test]
fn directory_replaced() {
    for name in ["src", "src/package"] {
        check(nothing, |top, file| {
            let new = top.join("new");
            let rest = file.strip_prefix(top.join(name)).unwrap();
            fs::create_dir_all(new.join(rest).parent().unwrap()).unwrap();
            fs::write(new.join(rest), NEW).unwrap();
            fs::rename(top.join(name), top.join("old")).unwrap();
            fs::rename(new, top.join(name)).unwrap();
        });
    }
}

#[test]
fn directory_replaced_after_a_while() {
    for name in ["src", "src/package"] {
        for watcher in watchers() {
            let folder = Folder::new();
            let (top, file) = (folder.0.as_path(), folder.file());
            watcher.add(&file, None, Some(&top.join("src")));
            fs::rename(top.join(name), top.join("old")).unwrap();
            assert_eq!(watcher.wait(SHORT), Waited::Nothing);
            fs::create_dir(top.join(name)).unwrap();
            assert_eq!(watcher.wait(SHORT), Waited::Nothing);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, NEW).unwrap();
            assert_eq!(changes(&watcher), change(&file, NEW));
        }
    }
}

#[test]
fn directory_moved_and_back() {
    check(nothing, |top, file| {
        fs::rename(top.join("src"), top.join("old")).unwrap();
        fs::rename(top.join("old"), top.join("src")).unwrap();
        fs::write(file, NEW).unwrap();
    });
}

#[test]
fn link_to_a_directory() {
    let prepare = |top: &Path, _: &Path| {
        fs::create_dir(top.join("releases")).unwrap();
        fs::rename(top.join("src"), top.join("releases/1")).unwrap();
        symlink("releases/1", top.join("src")).unwrap();
    };
    check(prepare, |top, _| {
        fs::create_dir_all(top.join("releases/2/package")).unwrap();
        fs::write(top.join("releases/2/package/module.py"), NEW).unwrap();
        symlink("releases/2", top.join("swap")).unwrap();
        fs::rename(top.join("swap"), top.join("src")).unwrap();
    });
}

/// The same file by another way: there is nothing to tell, but there are other places to watch.
#[test]
fn link_to_the_same_file() {
    for watcher in watchers() {
        let folder = Folder::new();
        let (top, file) = (folder.0.as_path(), folder.file());
        fs::create_dir(top.join("1")).unwrap();
        fs::create_dir(top.join("2")).unwrap();
        fs::rename(&file, top.join("1/module.py")).unwrap();
        fs::hard_link(top.join("1/module.py"), top.join("2/module.py")).unwrap();
        symlink("../../1/module.py", &file).unwrap();
        watcher.add(&file, None, None);
        symlink("../../2/module.py", top.join("swap")).unwrap();
        fs::rename(top.join("swap"), &file).unwrap();
        assert_eq!(watcher.wait(SHORT), Waited::Nothing);
        fs::write(top.join("2/module.py"), NEW).unwrap();
        assert_eq!(changes(&watcher), change(&file, NEW));
    }
}

#[test]
fn written_slowly() {
    for watcher in slow_watchers() {
        let folder = Folder::new();
        let file = folder.file();
        watcher.add(&file, None, None);
        let writes = write_slowly(&file, &NEW.repeat(4));
        assert_eq!(changes(&watcher), change(&file, &NEW.repeat(4)));
        writes.join().unwrap();
    }
}

#[test]
fn not_closed_by_its_writer() {
    let folder = Folder::new();
    for watcher in watchers() {
        watcher.add(&folder.file(), None, None);
        let mut open = OpenOptions::new().append(true).open(folder.file()).unwrap();
        open.write_all(NEW.as_bytes()).unwrap();
        let before = Instant::now();
        assert!(changes(&watcher)[0].content.ends_with(NEW.as_bytes()));
        assert!(before.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn emptied() {
    let folder = Folder::new();
    for watcher in watchers() {
        watcher.add(&folder.file(), Some(b"x"), None);
        fs::write(folder.file(), "").unwrap();
        let before = Instant::now();
        assert_eq!(changes(&watcher), change(&folder.file(), ""));
        assert!(before.elapsed() > Duration::from_millis(450), "{:?}", before.elapsed());
        fs::write(folder.file(), NEW).unwrap();
        assert_eq!(changes(&watcher), change(&folder.file(), NEW));
    }
}

#[test]
fn nothing_to_tell() {
    let doings: [fn(&Path); 5] = [
        |file| fs::write(file, OLD).unwrap(),
        |file| fs::File::open(file).unwrap().set_modified(SystemTime::now()).unwrap(),
        |file| {
            let mut permissions = fs::metadata(file).unwrap().permissions();
            permissions.set_readonly(true);
            fs::set_permissions(file, permissions).unwrap();
        },
        |file| fs::write(file.with_extension("txt"), NEW).unwrap(),
        |file| fs::remove_file(file).unwrap(),
    ];
    for watcher in watchers() {
        let folder = Folder::new();
        watcher.add(&folder.file(), None, None);
        for doing in doings {
            doing(&folder.file());
            assert_eq!(watcher.wait(SHORT), Waited::Nothing);
        }
        fs::write(folder.file(), OLD).unwrap();
        assert_eq!(watcher.wait(SHORT), Waited::Nothing);
    }
}

#[test]
fn several_files_at_once() {
    for watcher in watchers() {
        let folder = Folder::new();
        let files = ["a.py", "b.py", "c.py"].map(|name| folder.0.join("src").join(name));
        for file in &files {
            fs::write(file, OLD).unwrap();
            watcher.add(file, None, None);
        }
        for file in &files {
            fs::write(file, NEW).unwrap();
        }
        let told = changes(&watcher);
        let expected: Vec<_> = files.iter().flat_map(|file| change(file, NEW)).collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn differs_when_it_is_added() {
    for watcher in watchers().map(Arc::new) {
        let folder = Folder::new();
        let waits = thread::spawn({
            let watcher = Arc::clone(&watcher);
            move || changes(&watcher)
        });
        watcher.add(&folder.file(), Some(NEW.as_bytes()), None);
        assert_eq!(waits.join().unwrap(), change(&folder.file(), OLD));
    }
}

#[test]
fn comes_after_it_is_added() {
    for watcher in watchers() {
        let folder = Folder::new();
        let file = folder.0.join("later/package/module.py");
        watcher.add(&file, None, None);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, NEW).unwrap();
        assert_eq!(changes(&watcher), change(&file, NEW));
    }
}

#[test]
fn removed_and_added_again() {
    for watcher in watchers() {
        let folder = Folder::new();
        let file = folder.file();
        watcher.add(&file, None, None);
        watcher.add(&file, None, None);
        watcher.remove(&file);
        fs::write(&file, NEW).unwrap();
        assert_eq!(watcher.wait(SHORT), Waited::Nothing);
        watcher.add(&file, Some(OLD.as_bytes()), None);
        assert_eq!(changes(&watcher), change(&file, NEW));
    }
}

#[test]
fn a_thousand_saves() {
    for watcher in watchers() {
        let folder = Folder::new();
        let file = folder.file();
        watcher.add(&file, None, None);
        let saves = thread::spawn({
            let file = file.clone();
            move || {
                for number in 1000..2000 {
                    fs::write(&file, format!("x = {number}\n")).unwrap();
                }
            }
        });
        let told = |change: &Change| String::from_utf8(change.content.clone()).unwrap();
        while told(&changes(&watcher)[0]) != "x = 1999\n" {}
        saves.join().unwrap();
        assert_eq!(watcher.wait(SHORT), Waited::Nothing);
    }
}

#[test]
fn closed_while_somebody_waits() {
    for watcher in watchers().map(Arc::new) {
        let waits = thread::spawn({
            let watcher = Arc::clone(&watcher);
            move || watcher.wait(None)
        });
        watcher.close();
        watcher.close();
        assert_eq!(waits.join().unwrap(), Waited::Closed);
        assert_eq!(watcher.wait(None), Waited::Closed);
        watcher.add(Path::new("module.py"), None, None);
    }
}

/// Who is done waits for who is not, so that both are seen together.
#[test]
fn one_of_two_written_slowly() {
    for watcher in slow_watchers() {
        let folder = Folder::new();
        let (file, other) = (folder.file(), folder.0.join("other.py"));
        watcher.add(&file, None, None);
        watcher.add(&other, Some(b""), None);
        let writes = write_slowly(&file, NEW);
        fs::write(&other, NEW).unwrap();
        assert_eq!(changes(&watcher), [change(&other, NEW), change(&file, NEW)].concat());
        writes.join().unwrap();
    }
}

/// But not for ever.
#[test]
fn one_of_two_written_all_the_time() {
    for watcher in slow_watchers() {
        let folder = Folder::new();
        let (file, other) = (folder.file(), folder.0.join("other.py"));
        watcher.add(&file, None, None);
        watcher.add(&other, Some(b""), None);
        fs::write(&other, NEW).unwrap();
        let writes = write_slowly(&file, &NEW.repeat(15));
        assert_eq!(changes(&watcher), change(&other, NEW));
        assert!(!writes.is_finished());
        assert_eq!(changes(&watcher), change(&file, &NEW.repeat(15)));
        writes.join().unwrap();
    }
}
