//! What can be said about a patch.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::hook::How;
use crate::scope::{Reach, Scope};

/// What can be said about a patch besides its target and its replacement.
#[derive(Default)]
#[non_exhaustive]
pub struct Options<'py> {
    /// What it does with a call.
    pub how: How,
    /// Which calls it is for.
    pub scope: Scope,
    /// Patches of a higher order lie further out, and of those of one order the later ones.
    pub order: i64,
    /// Who patches. By default the `__name__` of the calling module.
    pub by: Option<Bound<'py, PyString>>,
    /// The source text that the target must have, or the digest of its code.
    pub expect: Option<Bound<'py, PyString>>,
    /// Where it is in force, if that was found out before.
    pub(crate) reach: Option<Reach>,
    /// It is one of hotpatch's own, and is not listed.
    pub(crate) is_hidden: bool,
}

impl<'py> Options<'py> {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what the patch does with a call.
    #[must_use]
    pub fn how(mut self, how: How) -> Self {
        self.how = how;
        self
    }

    /// Says which calls the patch is for.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Says how far out the patch lies.
    #[must_use]
    pub fn order(mut self, order: i64) -> Self {
        self.order = order;
        self
    }

    /// Says who patches.
    #[must_use]
    pub fn by(mut self, by: Bound<'py, PyString>) -> Self {
        self.by = Some(by);
        self
    }
}
