//! When something is told, and when not.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use hotpatch_reload::{Change, Waited, Watcher};

use super::{Folder, NEW, OLD, SHORT, change, changes, slow_watchers, watchers, write_slowly};

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
fn several_files_one_after_the_other() {
    let folder = Folder::new();
    let (file, other) = (folder.file(), folder.0.join("other.py"));
    let watcher = Arc::new(Watcher::new(Duration::from_millis(400), None));
    watcher.add(&file, None, None);
    watcher.add(&other, Some(b""), None);
    let waits = thread::spawn({
        let watcher = Arc::clone(&watcher);
        move || changes(&watcher)
    });
    fs::write(&other, NEW).unwrap();
    thread::sleep(Duration::from_millis(50));
    fs::write(&file, NEW).unwrap();
    let told = waits.join().unwrap();
    assert_eq!(told, [change(&other, NEW), change(&file, NEW)].concat());
}

/// It is never quiet, and so what has been saved is told at some time.
#[test]
fn saves_without_an_end() {
    let folder = Folder::new();
    let file = folder.file();
    let watcher = Watcher::new(Duration::from_millis(400), None);
    watcher.add(&file, None, None);
    let saves = thread::spawn(move || {
        for number in 0..60 {
            fs::write(&file, format!("x = {number}\n")).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
    });
    assert_eq!(changes(&watcher).len(), 1);
    assert!(!saves.is_finished());
    saves.join().unwrap();
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
