//! Code that asks first whether a patch is in force, for patches that are for some calls only.
//!
//! Everybody whom such a patch does not concern pays for it, so it must cost next to nothing then: a
//! generated function in between costs a frame, 15 to 45 ns. Here the code of the target itself gets
//! a few instructions in front, and at its end those that call the replacement:
//!
//! ```text
//!        COPY_FREE_VARS, MAKE_CELL (3.11) as the code has them
//!        LOAD_CONST   switch
//!        UNARY_INVERT              the replacement where it is in force, None elsewhere
//!        jump to IN_FORCE unless it is None
//!        ...                       the rest of the code of the target, as it was
//! IN_FORCE:
//!        LOAD_CONST   switch       (3.12) the same again: nothing can have happened meanwhile
//!        UNARY_INVERT
//!        RESUME                    (3.11) from here on there is a frame to be seen
//!        ...                       call the replacement with the arguments
//!        RETURN_VALUE
//! ```
//!
//! Whoever looks at the variables of a frame relies on the cells: it reads those of free variables without
//! looking whether they are there (Objects/frameobject.c, `_PyFrame_FastToLocalsWithError` in 3.11,
//! `frame_get_var` in 3.12 and 3.13), and `super` finds them made by the first instruction
//! (`super_init_without_args`, Objects/typeobject.c).
//!
//! What comes before the first `RESUME` is seen by nobody: no event for tracers and profilers, no line,
//! no entry in a traceback (`_co_firsttraceable`, Objects/codeobject.c, 3.11 to 3.15); only those who
//! ask `sys.monitoring` for each branch or instruction are told of it. The target keeps its lines, its
//! locals and its frame. Since 3.11 it is an instruction, `RETURN_GENERATOR`, that makes a
//! generator or a coroutine (Python/ceval.c and bytecodes.c): before it, the code of a function of any kind
//! runs as that of a plain one does, and can return what the replacement makes.
//!
//! The switch refers to the replacement weakly, since the garbage collector does not look into code
//! objects. The function that has the code keeps the replacement, and the code of the target: see [`Body`].
//!
//! The code that was made stays with that of the target ([`Extra`]). Once nobody else has it any more, the
//! next patch gets it, with its switch turned to that: making code is half of what a patch costs.

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::assembler::{Assembler, KEEPS, UNIT};
use crate::raw::body::Body;
use crate::raw::extra::Extra;
use crate::raw::function::Function;
use crate::raw::switch::Switch;
use crate::scope::Where;
use crate::signature::Parameter;
use crate::site::Site as _;
use crate::tables;
use crate::version;

/// What a body does since [`add`] was there.
pub(crate) struct Graft<'py> {
    /// Where the replacement is in force.
    pub(crate) place: Bound<'py, Where>,
    /// Unless the patch is gone.
    pub(crate) replacement: Option<Function<'py>>,
}

/// Makes a body call `replacement` at a place, and do what it does elsewhere.
///
/// The body is that of a plain function with these parameters. Returns whether that could be done.
pub(crate) fn add<'py>(
    body: &mut Body<'py>,
    parameters: &[Parameter],
    place: &Bound<'py, Where>,
    replacement: &Function<'py>,
) -> PyResult<bool> {
    let py = place.py();
    let Some(code) = body.code() else {
        return Ok(false);
    };
    let extra = Extra::of(code);
    let made = match extra.and_then(|extra| extra.take_grafted(py)) {
        Some(spare) if Switch::turn(&spare, place, replacement)? => spare,
        _ => match code_choosing(code, parameters, place, replacement)? {
            Some(made) => made,
            None => return Ok(false),
        },
    };
    if let Some(extra) = extra {
        extra.keep_grafted(&made);
    }
    let version = version::of_code(&made)?;
    let more = [code.clone(), replacement.as_any().clone()];
    let kept: Vec<_> = body.kept().into_iter().flatten().chain(more).collect();
    body.set_code(made, version, Some(PyTuple::new(py, kept)?));
    Ok(true)
}

/// Takes away what [`add`] did last, if it did anything.
pub(crate) fn take_off<'py>(body: &mut Body<'py>) -> PyResult<Option<Graft<'py>>> {
    let (Some(code), Some(kept)) = (body.code(), body.kept()) else {
        return Ok(None);
    };
    let (Some(switch), Some(left)) = (Switch::of_code(code)?, kept.len().checked_sub(2)) else {
        return Ok(None); // it comes from elsewhere
    };
    let graft = Graft { place: switch.place(), replacement: switch.replacement() };
    let below = kept.get_item(left)?;
    let version = version::of_code(&below)?;
    let kept = (left > 0).then(|| kept.get_slice(0, left));
    body.set_code(below, version, kept);
    Ok(Some(graft))
}

/// Code that calls `replacement` with the arguments of `code` at this place, and does what `code` does
/// elsewhere. `None` if it cannot be made.
fn code_choosing<'py>(
    code: &Bound<'py, PyAny>,
    parameters: &[Parameter],
    place: &Bound<'py, Where>,
    replacement: &Function<'py>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = code.py();
    let constants = code.getattr(intern!(py, "co_consts"))?.cast_into::<PyTuple>()?;
    let mut code_of = Assembler::new(py)?;
    let mut constants: Vec<_> = constants.iter().collect();
    let depth = code_of.call(code, parameters, &mut constants)?;
    let own = code.getattr(intern!(py, "co_code"))?.cast_into::<PyBytes>()?;
    let room = Vec::with_capacity(own.as_bytes().len() + 2 * code_of.bytes.len());
    let call = std::mem::replace(&mut code_of.bytes, room);

    let (cells, rest) = own.as_bytes().split_at(code_of.making_cells(own.as_bytes())?);
    code_of.bytes.extend(cells);
    code_of.ask(constants.len())?;
    code_of.jump_over(rest.len() / UNIT)?;
    let mut bytes = std::mem::take(&mut code_of.bytes);
    let test = (bytes.len() - cells.len()) / UNIT;
    if cfg!(Py_3_11) {
        bytes.extend(rest);
    } else if let Some(moved) = code_of.moved(rest, test) {
        bytes.extend(moved);
    } else {
        return Ok(None);
    }
    if !KEEPS {
        code_of.ask(constants.len())?;
    }
    code_of.bytes.extend(call);
    bytes.extend(&code_of.bytes);
    constants.push(Switch::new(place, replacement)?.as_any().clone());

    let changes = PyDict::new(py);
    let stack_size: usize = code.getattr(intern!(py, "co_stacksize"))?.extract()?;
    let lines = code.getattr(intern!(py, "co_linetable"))?.cast_into::<PyBytes>()?;
    let lines = tables::around(lines.as_bytes(), test, code_of.units()).ok_or_else(unknown)?;
    changes.set_item(intern!(py, "co_code"), PyBytes::new(py, &bytes))?;
    changes.set_item(intern!(py, "co_consts"), PyTuple::new(py, constants)?)?;
    changes.set_item(intern!(py, "co_stacksize"), stack_size.max(depth))?;
    changes.set_item(intern!(py, "co_linetable"), PyBytes::new(py, &lines))?;
    if cfg!(Py_3_11) {
        let handlers = code.getattr(intern!(py, "co_exceptiontable"))?.cast_into::<PyBytes>()?;
        let handlers = tables::moved(handlers.as_bytes(), test).ok_or_else(unknown)?;
        changes.set_item(intern!(py, "co_exceptiontable"), PyBytes::new(py, &handlers))?;
    }
    Ok(Some(code.call_method(intern!(py, "replace"), (), Some(&changes))?))
}

fn unknown() -> PyErr {
    PySystemError::new_err("a code object has a table that CPython's compiler does not make")
}
