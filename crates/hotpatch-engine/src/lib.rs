//! Changes what a live Python function does, in place, and can put it back.
//!
//! [`apply()`] makes one function do what another callable does. The function *object* changes, so
//! everybody who holds a reference to it sees the change: names imported long ago, bound methods kept
//! as callbacks, entries in tables, closures. A call then costs what a direct call of the replacement
//! costs, because there is no wrapper: the body of the replacement is the body of the target.
//!
//! # What a patch is
//!
//! A function object has an *identity* (name, qualified name, module, doc string, `__dict__`) and a
//! *body*: code, globals, builtins, closure, defaults, keyword defaults, annotations and type
//! parameters. A patch installs the body of the replacement in the target. The cells of the closure
//! are shared with the replacement; dicts that can be changed in place (keyword defaults,
//! annotations) are copied, so that a patch is what the replacement did when it was made.
//!
//! A *hook* does not take the place of what lies below it. It gets the body of a small generated function
//! that calls the hook and the original.
//!
//! A patch for one thread or context does not take its place either. In front of the code below it comes a
//! test, and behind it a call of the replacement, so that all others run what they ran.
//!
//! A replacement that is no Python function (a builtin, a class, a bound method, a mock) has no body
//! to install. The target then gets the body of a small generated function that calls it.
//!
//! A target that is written in C has no body either. Its calls are led to the replacement: those of a
//! builtin function by an entry of its own, those of a method or of a function that Cython made by another
//! address in its definition, which all bound methods share.
//!
//! A replacement can be source text. It is compiled as if it had stood where the target is defined, and
//! that function is the replacement. A diff is applied to the source text of what lies below, anew
//! whenever that changes, as a hook is made anew.
//!
//! A target can be a name. Such a patch has a part for each function that gets the name: now, or when
//! the body of the module has run, for the first time or again.
//!
//! # The life of a patch
//!
//! 1. The target and the replacement are checked, and the audit event `hotpatch.apply` is raised.
//! 2. Everything that needs memory or can run Python code is prepared.
//! 3. If nobody has changed the target meanwhile, the fields are written with no Python code in
//!    between; otherwise step 2 is done again. What was written over is released last.
//! 4. The patch stands in the *stack* of its target: the base body and the list of patches, sorted by
//!    their order and their age. What the target does is that of the highest, and is computed anew
//!    whenever one comes or goes. That is why patches can be undone in any order.
//! 5. Undoing raises `hotpatch.undo` and installs what lies below, in the same way as step 2 and 3.
//!
//! # Why it is sound
//!
//! *Other threads* read a function with the GIL held, and the writes of step 3 do not give it away.
//! A free-threaded interpreter with the GIL off is refused.
//!
//! *Frames that are running or suspended* own their code and their function, but since 3.11 they only
//! borrow globals and builtins from the function. So a function keeps every such dict that it ever had
//! for as long as it lives, and not longer: they hang on its closure, where the garbage collector sees
//! them.
//!
//! *Calls that are starting* have bound their code but not copied their cells yet. What can run then is
//! the `__eq__` of a keyword that is a subclass of `str`, and what that sets going. So the closure gets
//! no shorter than any code that the function ever had needs. The test of a patch for some calls only comes
//! before that, and runs no Python code.
//!
//! *Specialised call sites* compare `func_version`, a number that stands for a body. It goes with the
//! body, so sites that know the replacement know the patched target, and sites that know the target
//! know it again after undo. Before each write CPython is told to forget the function under its old
//! version: its cache of functions by version holds no references.
//!
//! *Traces* of the JIT compiler (3.13 and later) take more for granted than that number stands for: they
//! are all forgotten at each patch and undo.
//!
//! *C functions* are never called with another convention than their own: the definition of a patched
//! builtin function names none, and what stands in for a method has the same. Interpreters other than
//! the one that patched reach the C function.
//!
//! *Layouts* are those of `pyo3::ffi`, compared with what Python shows before the first patch.
//!
//! # What is not handled
//!
//! Two holes of CPython's own `function.__code__ = code` are there for patches too. A generator or
//! coroutine function whose body is swapped by the `__eq__` of a keyword *of the very call that is
//! starting* makes CPython 3.11 and later allocate the generator for the new code and copy the frame of
//! the old one into it (`make_gen`, Objects/genobject.c). And on CPython 3.10 a garbage collection
//! inside the allocation of a frame can run a finalizer that swaps the body of the function that is
//! being called (`_PyFrame_New_NoTrack`, Objects/frameobject.c).
//!
//! Calls that the target's own C entry point does not see, because another extension has replaced it,
//! cannot be patched: such targets are refused.

mod apply;
mod assembler;
mod bypassed;
mod called;
mod change;
mod class_cell;
mod compile;
mod diff;
mod error;
mod farewell;
mod graft;
mod guard;
mod holder;
mod hook;
mod imports;
mod kind;
mod lock;
mod names;
mod options;
mod patch;
mod raw;
mod rebase;
mod registry;
mod scope;
mod signature;
mod site;
mod source;
mod stack;
mod tables;
mod target;
mod trampoline;
mod transaction;
mod version;
mod wrapper;

pub use apply::apply;
pub use error::{Error, PatchError};
pub use hook::How;
pub use lock::{check as check_lock, lock, lock_because};
pub use options::Options;
pub use patch::Patch;
pub use rebase::{below, functions_in, functions_with, move_lines, rebase, unaccounted};
pub use registry::patches;
pub use scope::Scope;
pub use transaction::Atomic;
