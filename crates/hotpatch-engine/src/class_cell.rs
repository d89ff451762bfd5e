//! `super()` in a method that was written in another class.
//!
//! `super()` and `__class__` read a free variable `__class__`, which the compiler gives to every
//! method that mentions one of them, and whose cell holds the class around the `def`. In the
//! target's class the cell must hold the target's class.

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::raw::body::Body;
use crate::raw::function::Function;
use crate::site::Site;
use crate::target::{FunctionTarget, defines};

/// Makes `super()` in `body`, the body of a replacement, mean what it means for the target.
///
/// `base` is what the target does unpatched. Where the target belongs to no class, the
/// replacement keeps the class that it was written in.
pub(crate) fn bind<'py>(
    body: &mut Body<'py>,
    base: &Body<'py>,
    target: &FunctionTarget<'py>,
) -> PyResult<()> {
    let py = target.function.as_any().py();
    let Some((index, cells)) = position(body)? else {
        return Ok(());
    };
    let cell = match position(base)? {
        Some((index, cells)) => cells.get_item(index)?,
        None => match class_of(target)? {
            Some(class) => py.import("types")?.getattr("CellType")?.call1((class,))?,
            None => return Ok(()),
        },
    };
    let mut cells: Vec<_> = cells.iter().collect();
    cells[index] = cell;
    body.set_closure(PyTuple::new(py, cells)?);
    Ok(())
}

/// Which of the free variables of `body` is `__class__`, and all their cells.
fn position<'py>(body: &Body<'py>) -> PyResult<Option<(usize, Bound<'py, PyTuple>)>> {
    let (Some(cells), Some(code)) = (body.closure(), body.code()) else {
        return Ok(None);
    };
    let names = code.getattr("co_freevars")?.cast_into::<PyTuple>()?;
    for (index, name) in names.iter().enumerate() {
        if name.eq("__class__")? {
            return Ok(Some((index, cells.clone())));
        }
    }
    Ok(None)
}

/// The class that a function is a method of. `base` is what it does unpatched.
pub(crate) fn class_for<'py>(
    function: &Function<'py>,
    base: &Body<'py>,
) -> PyResult<Option<Bound<'py, PyType>>> {
    if let Some((index, cells)) = position(base)?
        && let Ok(class) = cells.get_item(index)?.getattr("cell_contents")
        && let Ok(class) = class.cast_into::<PyType>()
    {
        return Ok(Some(class));
    }
    // Where its name says, and else, which takes long, anywhere.
    let qualified: String = function.as_any().getattr("__qualname__")?.extract()?;
    if let Some((path, name)) = qualified.rsplit_once('.')
        && let Some(globals) = base.globals()
        && let Some(class) = class_at(globals, path)?
        && class.getattr("__dict__")?.contains(name)?
    {
        return Ok(Some(class));
    }
    class_of(&FunctionTarget { function: function.clone(), receiver: None })
}

/// The class that a module has under a path, if all of it are classes.
fn class_at<'py>(globals: &Bound<'py, PyAny>, path: &str) -> PyResult<Option<Bound<'py, PyType>>> {
    let mut namespace = globals.clone();
    let mut found = None;
    for name in path.split('.') {
        if !namespace.contains(name)? {
            return Ok(None);
        }
        let Ok(class) = namespace.get_item(name)?.cast_into::<PyType>() else {
            return Ok(None);
        };
        namespace = class.getattr("__dict__")?;
        found = Some(class);
    }
    Ok(found)
}

/// The class that the target is a method of.
fn class_of<'py>(target: &FunctionTarget<'py>) -> PyResult<Option<Bound<'py, PyType>>> {
    let function = &target.function;
    let name = function.as_any().getattr("__name__")?;
    if let Some(receiver) = &target.receiver {
        let class = match receiver.cast::<PyType>() {
            Ok(class) => class.clone(),
            Err(_) => receiver.get_type(),
        };
        for class in class.mro().iter() {
            let class = class.cast_into::<PyType>()?;
            if defines(&class, Some(&name), function)? || defines(&class, None, function)? {
                return Ok(Some(class));
            }
        }
    }
    let classes = all_classes(function.as_any().py())?;
    for name in [Some(&name), None] {
        let mut found = None;
        let mut is_certain = false;
        // Of two that fit, the later one: `dataclass(slots=True)` makes a class anew.
        for class in &classes {
            if defines(class, name, function)? {
                let is_written_here = is_written_in(function, class)?;
                if is_written_here || !is_certain {
                    found = Some(class.clone());
                    is_certain = is_written_here;
                }
            }
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Whether `function` names `class` as the one that its `def` stands in.
fn is_written_in(function: &Function<'_>, class: &Bound<'_, PyType>) -> PyResult<bool> {
    let qualified: String = function.as_any().getattr("__qualname__")?.extract()?;
    let around = qualified.rsplit_once('.').map_or("", |(around, _)| around);
    let module = function.as_any().getattr("__module__")?;
    Ok(class.qualname()? == around && class.getattr("__module__")?.eq(module)?)
}

/// Every class that there is, by walking down from `object`.
fn all_classes(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyType>>> {
    let subclasses = py.get_type::<PyType>().getattr("__subclasses__")?;
    let seen = pyo3::types::PySet::empty(py)?;
    let mut found = vec![py.import("builtins")?.getattr("object")?.cast_into::<PyType>()?];
    let mut next = 0;
    while let Some(class) = found.get(next).cloned() {
        next += 1;
        for subclass in subclasses.call1((class,))?.try_iter()? {
            let subclass = subclass?.cast_into::<PyType>()?;
            let address = subclass.as_ptr() as usize; // a class can have a hash of its own
            if !seen.contains(address)? {
                seen.add(address)?;
                found.push(subclass);
            }
        }
    }
    Ok(found)
}
