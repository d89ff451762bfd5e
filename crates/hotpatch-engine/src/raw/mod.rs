//! Where hotpatch reads and writes CPython's own structs: the only place with `unsafe`.
//!
//! The rules: a raw pointer never leaves this module; what is written together is written with no
//! Python code in between; what was written over is released afterwards, by a `Drop`; and the
//! layouts are the ones `pyo3::ffi` declares for the version it was built for, checked once by
//! [`layout::check`] before the first write.

#![allow(unsafe_code, reason = "see the module's documentation")]

pub(crate) mod attributes;
pub(crate) mod audit;
pub(crate) mod body;
pub(crate) mod builtin;
mod call;
pub(crate) mod closure;
pub(crate) mod code;
pub(crate) mod context;
mod conventions;
mod cython;
mod detour;
pub(crate) mod extra;
pub(crate) mod frame;
pub(crate) mod function;
pub(crate) mod heap;
pub(crate) mod layout;
mod line_array;
pub(crate) mod lru_cache;
pub(crate) mod method;
mod optimizer;
mod pool;
pub(crate) mod switch;
