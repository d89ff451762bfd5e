//! What stands for a syntax tree, to compare it with others.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Stands for a syntax tree or a text: equal ones have equal digests, others practically never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl Digest {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

pub(crate) fn digest(value: &impl Hash) -> Digest {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    Digest(hasher.finish())
}
