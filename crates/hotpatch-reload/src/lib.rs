//! Finds out which Python source files were saved, and what an edit changed.
//!
//! An [`Outline`] says what a text consists of, and [`steps`] what became of that in another text. Nothing here
//! knows of a running interpreter: what to do about a step is for others to say.
//!
//! A [`Watcher`] tells when a file has another text.
//!
//! ```
//! use hotpatch_reload::{Fate, Outline, steps};
//!
//! let old = Outline::of("LIMIT = 3\n\ndef f(x):\n    return x\n")?;
//! let new = Outline::of("LIMIT = 4\n\n\ndef f(x):\n    return x\n")?;
//! let fates: Vec<_> = steps(&old, &new).iter().map(|step| step.fate).collect();
//! assert_eq!(fates, [Fate::Added, Fate::Moved, Fate::Removed]);
//! # Ok::<(), hotpatch_reload::Error>(())
//! ```

#![forbid(unsafe_code)]

mod binding;
mod diff;
mod digest;
mod error;
mod extent;
mod outline;
mod reading;
mod stack;
mod watch;

pub use diff::{Fate, Placed, Step, steps};
pub use digest::Digest;
pub use error::Error;
pub use extent::Extent;
pub use outline::{Block, Class, Function, Keyword, Kind, Outline, Statement};
pub use reading::{Derived, Import};
pub use watch::{Change, Waited, Watcher};
