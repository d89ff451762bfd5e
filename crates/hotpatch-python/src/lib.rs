//! The extension module `hotpatch._native`: what Python calls, and conversions.

#![forbid(unsafe_code)]

mod decorator;
mod reload;
mod watch;

use pyo3::prelude::*;

/// The parts of hotpatch that are written in Rust.
// The engine relies on the GIL. Without this declaration PyO3 says that the module does not need it.
#[pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use hotpatch_engine::Patch;
    #[pymodule_export]
    use hotpatch_engine::PatchError;
    use hotpatch_engine::{Atomic, Error, How, Options, Scope};
    use pyo3::exceptions::{PyTypeError, PyValueError};
    use pyo3::prelude::*;
    use pyo3::types::{PyList, PyString};

    use crate::decorator::{Decorator, Given};
    #[pymodule_export]
    use crate::reload::{Outline, Statement, Step};
    #[pymodule_export]
    use crate::watch::Watcher;

    /// Make `target` do what `replacement` does, under every reference to it.
    ///
    /// `target` is a function, written in Python or in C, or a bound method, classmethod, staticmethod
    /// or property with one inside. `replacement` is any callable of the same kind (a coroutine
    /// function for a coroutine function, and so on), or source text: a `def`, or a unified diff of the
    /// source text of the target. Text is compiled where the target stands, in its class.
    ///
    /// `target` can also be a name, "package.module:Class.method". It imports nothing: if the module is
    /// not there yet, the patch is pending, and is applied when the body of the module has run. So it
    /// is again when the module is reloaded or imported anew, until it is undone. If the module has no
    /// such function then, the import raises `PatchError`.
    ///
    /// With another `how` it is a hook, and what lies below it goes on to be called:
    ///
    /// - "around": it is called with the original and then the arguments of the call, and its result is
    ///   that of the call;
    /// - "before": it is told of a call, and names the parameters of the target that it wants;
    /// - "after": it is told of the result, and of such parameters;
    /// - "error": it is told of the exception with which a call ends, and of such parameters.
    ///
    /// With a `scope` it is for the calls in this thread alone, or for those in this `contextvars`
    /// context and in those copied from it. All others run what lies below.
    ///
    /// The patches of a target are sorted by `order`, those of a higher order further out, and then by
    /// age. `by` says who patches; by default it is the name of the calling module.
    ///
    /// With `expect`, the target must still have this source text, compared without comments and
    /// layout, or code with this digest ("sha256:…").
    ///
    /// Without a replacement it returns a decorator, which patches with the function below it and
    /// leaves that as it is.
    ///
    /// Raises `TypeError` for a target or a replacement that can never work, `ValueError` for an
    /// unknown `how` or `scope` and a text that is no name, `PatchError` if the interpreter or the
    /// state of the target does not allow it, and whatever an audit hook for "hotpatch.apply" raises.
    /// Nothing has changed then.
    #[pyfunction]
    #[pyo3(signature = (replacement = Given::Nothing, /, target = Given::Nothing, *, how = "replace",
                        scope = "process", order = 0, by = None, expect = None))]
    #[expect(clippy::too_many_arguments, reason = "those of the Python function")]
    fn hotpatch<'py>(
        py: Python<'py>,
        replacement: Given<'py>,
        target: Given<'py>,
        how: &str,
        scope: &str,
        order: i64,
        by: Option<Bound<'py, PyString>>,
        expect: Option<Bound<'py, PyString>>,
    ) -> Result<Bound<'py, PyAny>, Error> {
        let how = named("how", How::ALL, How::name, how)?;
        let scope = named("scope", Scope::ALL, Scope::name, scope)?;
        let Given::Object(target) = target else {
            let message = "hotpatch() missing required argument: 'target'";
            return Err(PyTypeError::new_err(message).into());
        };
        if let Given::Object(replacement) = replacement {
            let mut options = Options::new().how(how).scope(scope).order(order);
            (options.by, options.expect) = (by, expect);
            return Ok(hotpatch_engine::apply(&replacement, &target, options)?.into_any());
        }
        let (by, expect) = (by.map(Bound::unbind), expect.map(Bound::unbind));
        let decorator = Decorator { target: target.unbind(), how, scope, order, by, expect };
        Ok(Bound::new(py, decorator)?.into_any())
    }

    /// What a keyword that takes one of a few texts means.
    fn named<T: Copy, const N: usize>(
        keyword: &str,
        all: [T; N],
        name: fn(T) -> &'static str,
        given: &str,
    ) -> PyResult<T> {
        all.into_iter().find(|it| name(*it) == given).ok_or_else(|| {
            let names = all.map(|it| format!("'{}'", name(it))).join(", ");
            PyValueError::new_err(format!("{keyword}='{given}' is unknown; use one of {names}"))
        })
    }

    /// List the patches that are in force, in the order in which they were made.
    ///
    /// With `target` those of one function, with `by` those that were made by one author. Patches of
    /// names are listed from the start, and while they wait their `pending` is true.
    ///
    /// Raises `TypeError` for a target that could not be patched.
    #[pyfunction]
    #[pyo3(signature = (target = None, *, by = None))]
    fn patches<'py>(
        py: Python<'py>,
        target: Option<&Bound<'py, PyAny>>,
        by: Option<&Bound<'py, PyString>>,
    ) -> Result<Vec<Bound<'py, Patch>>, Error> {
        hotpatch_engine::patches(py, target, by)
    }

    /// Make several patches and undos visible together, or none of them.
    ///
    /// In a `with atomic():` block nothing changes. At its end all changes are made at once, for every
    /// thread. If the block or one of its changes raises an exception, nothing has changed. A block in
    /// another joins that; if it fails, what it asked for is dropped.
    ///
    /// At the end the block raises `PatchError` if the state of the program does not allow the changes.
    #[pyfunction]
    fn atomic() -> Atomic {
        Atomic::default()
    }

    /// Refuse all further patches in this process, for good.
    ///
    /// The patches that are there stay, and can be undone. Those that wait for an import are applied
    /// when it comes. `hotpatch` raises `PatchError` from then on.
    /// With `HOTPATCH_DISABLE=1` in the environment it does so from the start.
    #[pyfunction]
    fn lock(py: Python<'_>) -> PyResult<()> {
        hotpatch_engine::lock(py)
    }

    /// Do nothing if `target` may be changed. Raises `PatchError` after `lock()`.
    #[pyfunction]
    #[pyo3(signature = (target, /))]
    fn check_lock(target: &Bound<'_, PyAny>) -> Result<(), Error> {
        hotpatch_engine::check_lock(target)
    }

    /// Give functions the bodies of others, below their patches and all at once.
    ///
    /// Each pair is a function and the one whose code, defaults, free variables and annotations it gets.
    ///
    /// Raises `TypeError` for what is no Python function, and `PatchError` for a function that is there
    /// twice, or if the state of the interpreter does not allow it. Nothing has changed then.
    #[pyfunction]
    #[pyo3(signature = (pairs, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of the argument")]
    fn rebase(pairs: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>) -> Result<(), Error> {
        hotpatch_engine::rebase(&pairs)
    }

    /// Return the functions that have one of these code objects below their patches.
    ///
    /// Looks at all objects that the garbage collector knows.
    #[pyfunction]
    #[pyo3(signature = (codes, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of the argument")]
    fn functions_with<'py>(
        py: Python<'py>,
        codes: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        hotpatch_engine::functions_with(py, &codes)
    }

    /// Return those of some code objects that somebody else has.
    ///
    /// Known are the list, the functions, the code objects that are in others of the list, and `held`
    /// references of the caller to each.
    #[pyfunction]
    #[pyo3(signature = (codes, functions, held, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of the argument")]
    fn unaccounted<'py>(
        codes: &Bound<'py, PyList>,
        functions: Vec<Bound<'py, PyAny>>,
        held: usize,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        hotpatch_engine::unaccounted(codes, &functions, held)
    }

    /// Move code objects by so many lines, as if their text stood there.
    ///
    /// Frames that run follow. Raises `TypeError` for what is no code object, and `ValueError` if a
    /// line would have no number. Nothing has changed then.
    #[pyfunction]
    #[pyo3(signature = (codes, lines, /))]
    #[expect(clippy::needless_pass_by_value, reason = "what PyO3 makes of the argument")]
    fn move_lines(codes: Vec<Bound<'_, PyAny>>, lines: i32) -> PyResult<()> {
        hotpatch_engine::move_lines(&codes, lines)
    }

    /// Return a function that does, and goes on to do, what another does below its patches.
    ///
    /// Raises `TypeError` for what is no Python function.
    #[pyfunction]
    #[pyo3(signature = (function, /))]
    fn below<'py>(function: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Error> {
        hotpatch_engine::below(function)
    }

    /// Return the functions whose code, below their patches, comes from a file.
    ///
    /// Looks at all objects that the garbage collector knows.
    #[pyfunction]
    #[pyo3(signature = (file, /))]
    fn functions_in<'py>(file: &Bound<'py, PyString>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        hotpatch_engine::functions_in(file.py(), file)
    }

    /// What the environment says when the module is imported.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let name = "HOTPATCH_DISABLE";
        let environment = module.py().import("os")?.getattr("environ")?;
        let value: Option<String> = environment.call_method1("get", (name,))?.extract()?;
        if value.is_some_and(|value| !matches!(value.as_str(), "" | "0")) {
            hotpatch_engine::lock_because(format!("{name} is set in the environment"));
        }
        Ok(())
    }
}
