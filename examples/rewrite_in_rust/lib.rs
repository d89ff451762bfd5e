//! The function `distance` of spelling.py, written in Rust. It knows nothing of hotpatch.

#![forbid(unsafe_code)]

use pyo3::prelude::*;

/// What takes the place of the slow functions.
#[pymodule]
mod fast_spelling {
    use super::{PyResult, pyfunction};

    /// How many letters must be added, removed or changed to make `other` of `word`.
    #[pyfunction]
    #[expect(clippy::unnecessary_wraps, reason = "as most functions of an extension module")]
    fn distance(word: &str, other: &str) -> PyResult<usize> {
        let other: Vec<char> = other.chars().collect();
        let mut above: Vec<usize> = (0..=other.len()).collect();
        for (row, letter) in word.chars().enumerate() {
            let mut corner = std::mem::replace(&mut above[0], row + 1);
            for (column, wanted) in other.iter().enumerate() {
                let changed = corner + usize::from(letter != *wanted);
                corner = above[column + 1];
                above[column + 1] = changed.min(corner + 1).min(above[column] + 1);
            }
        }
        Ok(above[other.len()])
    }
}
