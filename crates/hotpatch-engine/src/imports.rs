//! Being told when the body of a module has run.
//!
//! Two functions of `importlib._bootstrap` are hooked while names are waited for, by this very engine,
//! so that neither the order of `sys.meta_path` nor the way in which a module is loaded matters:
//!
//! - `_init_module_attrs`, which runs right before the body does, for an import, a reload, and for whoever
//!   calls `importlib.util.module_from_spec`. There the loader gets a stand-in, for one call.
//! - `_ModuleLock.release`, where an import or a reload ends. That serves modules whose body was running
//!   already, and old loaders without `exec_module`.
//!
//! Both are there from CPython 3.10 to 3.15 (Lib/importlib/_bootstrap.py).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pyclass::{PyTraverseError, PyVisit};
use pyo3::types::{PyDict, PyModule, PyString};

use crate::apply::{Goal, place};
use crate::error::Error;
use crate::hook::How;
use crate::names;
use crate::options::Options;
use crate::patch::Patch;

/// The hooks, while they are in place.
static HOOKS: Mutex<Vec<Py<Patch>>> = Mutex::new(Vec::new());

/// How many [`Watch`]es there are.
static WATCHES: AtomicUsize = AtomicUsize::new(0);

// Nothing runs Python code while it holds the lock.
fn hooks() -> MutexGuard<'static, Vec<Py<Patch>>> {
    HOOKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the hooks in place until a name is waited for, which keeps them too.
pub(crate) struct Watch<'py>(Python<'py>);

impl<'py> Watch<'py> {
    /// Sees to it that [`names::ran`] is told of modules from now on.
    pub(crate) fn new(py: Python<'py>) -> Result<Self, Error> {
        WATCHES.fetch_add(1, Ordering::Relaxed);
        let watch = Self(py);
        put_hooks(py).map(|()| watch)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        WATCHES.fetch_sub(1, Ordering::Relaxed);
        rest(self.0);
    }
}

fn put_hooks(py: Python<'_>) -> Result<(), Error> {
    if !hooks().is_empty() {
        return Ok(());
    }
    let bootstrap = py.import("importlib._bootstrap")?;
    let begins = bootstrap.getattr("_init_module_attrs")?;
    let ends = bootstrap.getattr("_ModuleLock")?.getattr("release")?;
    let mut made: Vec<Bound<'_, Patch>> = Vec::new();
    for (target, hook, how) in [
        (begins, wrap_pyfunction!(stand_in, py)?, How::After),
        (ends, wrap_pyfunction!(import_ends, py)?, How::Around),
    ] {
        let options = Options { how, is_hidden: true, ..Options::new() };
        let options = options.by(intern!(py, "hotpatch").clone());
        // Not `apply`: names that were asked for before a lock are waited for.
        match place(&hook, &target, &options, Goal::Apply(&target)) {
            Ok(patch) => made.push(patch),
            Err(error) => {
                made.iter().try_for_each(Patch::undo)?;
                return Err(error);
            }
        }
    }
    let mut hooks = hooks();
    if hooks.is_empty() {
        hooks.extend(made.drain(..).map(Bound::unbind));
    }
    drop(hooks);
    made.iter().try_for_each(Patch::undo) // of two threads, the other was first
}

/// Takes the hooks away, if no name is waited for any more.
pub(crate) fn rest(py: Python<'_>) {
    let idle = {
        let mut hooks = hooks();
        let is_watched = WATCHES.load(Ordering::Relaxed) > 0;
        if !is_watched && names::is_idle() { std::mem::take(&mut *hooks) } else { Vec::new() }
    };
    for hook in idle {
        if let Err(error) = Patch::undo(hook.bind(py)) {
            PyErr::from(error).write_unraisable(py, Some(hook.bind(py)));
        }
    }
}

/// The module of that name, if its body has run. `is_after` says that it has, and nothing else knows yet.
pub(crate) fn find<'py>(
    py: Python<'py>,
    name: &str,
    is_after: bool,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
    let Some(module) = modules.get_item(name)?.filter(|module| !module.is_none()) else {
        return Ok(None);
    };
    let spec = match module.cast::<PyModule>() {
        Ok(module) => module.dict().get_item("__spec__")?,
        Err(_) => module.getattr_opt("__spec__")?,
    };
    let Some(spec) = spec.filter(|spec| !spec.is_none()) else {
        return Ok(Some(module));
    };
    if is_after {
        return Ok(Some(module));
    }
    if is_lazy(&module)? {
        StandIn::put(&spec)?; // its body runs when somebody uses it
        return Ok(None);
    }
    let is_running =
        spec.getattr_opt("_initializing")?.map_or(Ok(false), |flag| flag.is_truthy())?;
    Ok(Some(module).filter(|_| !is_running))
}

/// Whether `importlib.util.LazyLoader` made a module whose body has not run yet.
fn is_lazy(module: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = module.get_type();
    Ok(class.name()? == "_LazyModule" && class.module()? == "importlib.util")
}

/// Whether something in a module is to be imported when it is used (PEP 810, CPython 3.15).
pub(crate) fn is_lazy_import(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = object.get_type();
    Ok(class.name()? == "lazy_import" && class.module()? == "builtins")
}

/// Called after `_init_module_attrs(spec, module, *, override=False)`.
#[pyfunction]
#[pyo3(signature = (result, spec))]
fn stand_in(result: &Bound<'_, PyAny>, spec: &Bound<'_, PyAny>) -> PyResult<()> {
    let _ = result;
    let name = spec.getattr(intern!(spec.py(), "name"))?;
    if name.extract().is_ok_and(names::is_waited_for) {
        StandIn::put(spec)?;
    }
    Ok(())
}

/// Called around `_ModuleLock.release(self)`, also at the end of an import that failed.
#[pyfunction]
fn import_ends<'py>(
    original: &Bound<'py, PyAny>,
    lock: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = lock.py();
    let name: String = lock.getattr(intern!(py, "name"))?.extract()?;
    let outcome = if names::is_waited_for(&name) {
        find(py, &name, false).and_then(|module| match module {
            Some(_) => Ok(names::ran(py, &name)?),
            None => Ok(()),
        })
    } else {
        Ok(())
    };
    // Whatever happened, the lock of the module is let go.
    let result = original.call1((lock,))?;
    outcome.map(|()| result)
}

/// A loader that does what another does, and then says that the body of the module has run.
///
/// It stands in the place of that for one call of `exec_module`.
#[pyclass(frozen, module = "hotpatch._native")]
struct StandIn {
    loader: Py<PyAny>,
    /// What has the loader in its attribute `loader`: a spec, or a loader around it.
    holder: Py<PyAny>,
}

impl StandIn {
    /// Puts one into the place of the loader of a module that is going to be executed.
    fn put(spec: &Bound<'_, PyAny>) -> PyResult<()> {
        // Loaders that do something else first or afterwards (`LazyLoader`, those of wrapt) have the one
        // that executes the module in this attribute too.
        const DEEPEST: usize = 16;
        let (py, name) = (spec.py(), intern!(spec.py(), "loader"));
        let mut holder = spec.clone();
        let Some(mut loader) = holder.getattr_opt(name)? else {
            return Ok(());
        };
        for _ in 0..DEEPEST {
            if loader.is_instance_of::<Self>() || !loader.hasattr(intern!(py, "exec_module"))? {
                return Ok(());
            }
            match loader.getattr_opt(name)? {
                Some(inner) if inner.hasattr(intern!(py, "exec_module"))? => {
                    holder = std::mem::replace(&mut loader, inner);
                }
                _ => break,
            }
        }
        let stand_in = Self { loader: loader.unbind(), holder: holder.clone().unbind() };
        holder.setattr(name, Bound::new(py, stand_in)?)
    }
}

#[pymethods]
impl StandIn {
    fn exec_module(this: &Bound<'_, Self>, module: &Bound<'_, PyAny>) -> Result<(), Error> {
        let (py, stand_in) = (this.py(), this.get());
        let (loader, name) = (stand_in.loader.bind(py), intern!(py, "loader"));
        // An attribute of a lazy module must not be looked up in the normal way.
        let attributes = module.cast::<PyModule>().map_or_else(
            |_| Ok(module.getattr("__dict__")?.cast_into::<PyDict>()?),
            |module| PyResult::Ok(module.dict()),
        )?;
        let spec = attributes.get_item("__spec__")?;
        for holder in [Some(stand_in.holder.bind(py).clone()), spec.clone()].into_iter().flatten() {
            if holder.getattr_opt(name)?.is_some_and(|held| held.is(this)) {
                holder.setattr(name, loader)?;
            }
        }
        if attributes.get_item("__loader__")?.is_some_and(|held| held.is(this)) {
            attributes.set_item("__loader__", loader)?;
        }
        loader.call_method1(intern!(py, "exec_module"), (module,))?;
        match spec {
            Some(spec) => names::ran(py, &spec.getattr(intern!(py, "name"))?.extract::<String>()?),
            None => Ok(()),
        }
    }

    /// For `isinstance`.
    #[getter]
    fn __class__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.loader.bind(py).getattr(intern!(py, "__class__"))
    }

    fn __getattr__<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        self.loader.bind(name.py()).getattr(name)
    }

    // A loader around it may change it, as that of ddtrace does.
    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.loader.bind(name.py()).setattr(name, value)
    }

    fn __delattr__(&self, name: &Bound<'_, PyString>) -> PyResult<()> {
        self.loader.bind(name.py()).delattr(name)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.loader.bind(py).repr()?.to_string())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.loader)?;
        visit.call(&self.holder)
    }
}
