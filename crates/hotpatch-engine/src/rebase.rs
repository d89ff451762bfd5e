//! Giving functions another body below their patches, as live reload does.

use std::collections::{HashMap, HashSet};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::change::{Change, Edit};
use crate::error::{Error, describe};
use crate::lock;
use crate::raw::function::Function;
use crate::raw::{code, heap, layout};
use crate::site::Site;
use crate::version;

/// Makes functions do, below their patches, what others do: all at once. Each pair is a function, and the one
/// whose code, defaults, free variables and annotations it gets. Its name, doc string and attributes stay.
///
/// # Errors
///
/// `TypeError` for what is no Python function, and `PatchError` for a function that is there twice, or if the
/// state of the interpreter does not allow it. Nothing has changed then.
pub fn rebase<'py>(pairs: &[(Bound<'py, PyAny>, Bound<'py, PyAny>)]) -> Result<(), Error> {
    let Some((first, _)) = pairs.first() else {
        return Ok(());
    };
    let py = first.py();
    lock::check(first)?;
    layout::check(py)?;
    let mut seen = HashSet::new();
    let mut bodies = Vec::with_capacity(pairs.len());
    for (target, source) in pairs {
        let (target, source) = (python(target)?, python(source)?);
        if !seen.insert(target.as_any().as_ptr().addr()) {
            let name = describe(target.as_any());
            return Err(Error::patch(format!("{name} cannot get two bodies at once")));
        }
        let mut body = source.body()?;
        version::give(&mut body)?;
        body.detach()?;
        bodies.push((target, body));
    }
    loop {
        let mut changes = Vec::with_capacity(bodies.len());
        for (target, body) in &bodies {
            let mut change = Change::new(target.clone());
            change.prepare(&[Edit::Rebase(body.clone())])?;
            changes.push(change);
        }
        leave_out_originals(&mut changes);
        changes.iter().try_for_each(Change::announce)?;
        // From here on no Python code runs until everything is in place.
        if changes.iter().all(Change::is_current) {
            changes.iter_mut().for_each(Change::commit);
            changes.iter().for_each(Change::settle);
            return Ok(());
        }
    }
}

fn python<'py>(object: &Bound<'py, PyAny>) -> Result<Function<'py>, Error> {
    let why = || Error::refused(object, "it is no Python function", "pass the function inside");
    Function::new(object).ok_or_else(why)
}

/// A function that does what `function` does below its patches, and stays what it is when that changes.
///
/// # Errors
///
/// `TypeError` for what is no Python function.
pub fn below<'py>(function: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Error> {
    let py = function.py();
    let function = python(function)?;
    let base = function.with_stack(|stack| stack.base(py)).map_or_else(|| function.body(), Ok)?;
    Ok(function.twin(base)?.as_any().clone())
}

/// The originals of patches change with their target.
fn leave_out_originals<'py>(changes: &mut Vec<Change<'py, Function<'py>>>) {
    let others = changes.iter().flat_map(|change| change.touched().into_iter().skip(1));
    let others: HashSet<_> = others.collect();
    changes.retain(|change| change.touched().first().is_none_or(|own| !others.contains(own)));
}

/// The Python functions whose code, below their patches, comes from a file. Looks at all objects.
///
/// # Errors
///
/// If there is no memory.
pub fn functions_in<'py>(
    py: Python<'py>,
    file: &Bound<'py, PyString>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let mut known = HashMap::new();
    let found = heap::functions(py, |function| {
        let is_there = |code: &Bound<'py, PyAny>| {
            let name = code.getattr(intern!(py, "co_filename"));
            name.is_ok_and(|name| name.is(file) || name.eq(file).unwrap_or(false))
        };
        let address = function.base_address();
        *known
            .entry(address)
            .or_insert_with(|| function.base_code().is_some_and(|it| is_there(&it)))
    })?;
    Ok(found.iter().map(|function| function.as_any().clone()).collect())
}

/// The Python functions that have one of these code objects below their patches, wherever they are. Looks at
/// all objects.
///
/// # Errors
///
/// If there is no memory.
pub fn functions_with<'py>(
    py: Python<'py>,
    codes: &[Bound<'py, PyAny>],
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let addresses: HashSet<_> = codes.iter().map(|code| code.as_ptr().addr()).collect();
    let found = heap::functions(py, |function| addresses.contains(&function.base_address()))?;
    Ok(found.iter().map(|function| function.as_any().clone()).collect())
}

/// Those of some code objects that something else refers to than the list, the functions and code objects in
/// it, and the caller, who has `held` references to each: another function, or a frame that runs.
///
/// # Errors
///
/// `TypeError` for what is no list of code objects.
pub fn unaccounted<'py>(
    codes: &Bound<'py, PyList>,
    functions: &[Bound<'py, PyAny>],
    held: usize,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = codes.py();
    let mut known: HashMap<usize, usize> = HashMap::new();
    for code in codes {
        let constants = code.getattr(intern!(py, "co_consts"))?.cast_into::<PyTuple>()?;
        for constant in constants.iter() {
            *known.entry(constant.as_ptr().addr()).or_default() += 1;
        }
    }
    for function in functions.iter().filter_map(Function::new) {
        *known.entry(function.base_address()).or_default() += 1;
    }
    // One is that of the list, and one that of the loop.
    let is_unknown = |it: &Bound<'py, PyAny>| {
        code::references(it)
            > 2 + held + known.get(&it.as_ptr().addr()).copied().unwrap_or_default()
    };
    Ok(codes.iter().filter(is_unknown).collect())
}

/// Moves code objects by so many lines, as if their text stood there: also for frames that run now.
///
/// # Errors
///
/// `TypeError` for what is no code object, and `ValueError` if a line would have no number. Nothing has
/// changed then.
pub fn move_lines(codes: &[Bound<'_, PyAny>], lines: i32) -> PyResult<()> {
    code::move_lines(codes, lines)
}
