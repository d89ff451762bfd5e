//! Each way of saving a file, with and without events of the system.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use hotpatch_reload::Waited;

use super::{Folder, NEW, OLD, SHORT, change, changes, watchers};

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
        symlink("../../../far/middle.py", file).unwrap();
        symlink("real.py", top.join("far/middle.py")).unwrap();
    };
    check(far, |top, _| fs::write(top.join("far/real.py"), NEW).unwrap());
    check(far, |top, _| {
        fs::write(top.join("far/other.py"), NEW).unwrap();
        symlink("other.py", top.join("far/swap")).unwrap();
        fs::rename(top.join("far/swap"), top.join("far/middle.py")).unwrap();
    });
}

#[test]
fn link_far_from_the_file() {
    let prepare = |top: &Path, file: &Path| {
        for name in ["1", "2", "3"] {
            fs::create_dir(top.join(name)).unwrap();
        }
        fs::rename(file, top.join("3/real.py")).unwrap();
        symlink("../3/real.py", top.join("2/link.py")).unwrap();
        symlink("../2/link.py", top.join("1/link.py")).unwrap();
        symlink(top.join("1/link.py"), file).unwrap();
    };
    check(prepare, |top, _| {
        fs::write(top.join("3/other.py"), NEW).unwrap();
        symlink("../3/other.py", top.join("swap")).unwrap();
        fs::rename(top.join("swap"), top.join("1/link.py")).unwrap();
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
    for name in ["src", "src/package", "src/package/inner"] {
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
    for name in ["src", "src/package", "src/package/inner"] {
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

/// Nothing tells that a directory above the root was replaced, until another file is added.
#[test]
fn directory_above_the_root_replaced() {
    for watcher in watchers() {
        let folder = Folder::new();
        let (top, file) = (folder.0.as_path(), folder.file());
        watcher.add(&file, None, None);
        fs::rename(top.join("src"), top.join("old")).unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, OLD).unwrap();
        watcher.add(&file.with_file_name("other.py"), None, None);
        assert_eq!(watcher.wait(SHORT), Waited::Nothing);
        fs::write(&file, NEW).unwrap();
        assert_eq!(changes(&watcher), change(&file, NEW));
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
        fs::create_dir_all(top.join("releases/2/package/inner")).unwrap();
        fs::write(top.join("releases/2/package/inner/module.py"), NEW).unwrap();
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
        symlink("../../../1/module.py", &file).unwrap();
        watcher.add(&file, None, None);
        symlink("../../../2/module.py", top.join("swap")).unwrap();
        fs::rename(top.join("swap"), &file).unwrap();
        assert_eq!(watcher.wait(SHORT), Waited::Nothing);
        fs::write(top.join("2/module.py"), NEW).unwrap();
        assert_eq!(changes(&watcher), change(&file, NEW));
    }
}
