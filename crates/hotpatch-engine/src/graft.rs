//! Code that asks first whether a patch is in force, for patches that are for some calls only.
//!
//! Everybody whom such a patch does not concern pays for it, so it must cost next to nothing then: a
//! generated function in between costs a frame, 15 to 45 ns. Here the code of the target itself gets
//! a few instructions in front, and at its end those that call the replacement:
//!
//! ```text
//!        LOAD_CONST   switch
//!        UNARY_INVERT              the replacement where it is in force, None elsewhere
//!        jump to IN_FORCE unless it is None, and drop it otherwise
//!        ...                       the code of the target, as it was
//! IN_FORCE:
//!        RESUME                    (3.11) from here on there is a frame to be seen
//!        ...                       call the replacement with the arguments
//!        RETURN_VALUE
//! ```
//!
//! What comes before the first `RESUME` is seen by nobody: no event for tracers and profilers, no line,
//! no entry in a traceback (`_co_firsttraceable`, Objects/codeobject.c, 3.11 to 3.15). The target keeps its
//! lines, its locals and its frame.
//!
//! The switch refers to the replacement weakly, since the garbage collector does not look into code
//! objects. The function that has the code keeps the replacement: see [`Body`].
//!
//! CPython itself says what its instructions are called, which numbers they have and how much room they
//! take (`Lib/opcode.py`); how they are put together here was tried on each of 3.10 to 3.15.

use std::collections::HashMap;

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::raw::body::Body;
use crate::raw::function::Function;
use crate::raw::switch::Switch;
use crate::scope::Where;
use crate::signature::{KEYWORD_ONLY, Parameter, VAR_KEYWORD, VAR_POSITIONAL};
use crate::site::Site as _;
use crate::tables;

/// The bytes of a code unit.
const UNIT: usize = 2;
// Operands of `BINARY_OP` (`_nb_ops`, Lib/opcode.py, 3.11 to 3.15).
const ADD: usize = 0;
const OR: usize = 7;

/// Code that was made here, taken apart.
pub(crate) struct Graft<'py> {
    /// Where the replacement is in force.
    pub(crate) place: Bound<'py, Where>,
    /// Unless the patch is gone.
    pub(crate) replacement: Option<Function<'py>>,
    /// What it does elsewhere.
    below: Bound<'py, PyAny>,
}

impl<'py> Graft<'py> {
    /// Returns `None` for code that comes from elsewhere.
    fn of(code: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let py = code.py();
        let constants = code.getattr(intern!(py, "co_consts"))?.cast_into::<PyTuple>()?;
        let Some(index) = constants.len().checked_sub(2) else {
            return Ok(None);
        };
        let Some(switch) = Switch::of(&constants.get_item(index)?) else {
            return Ok(None);
        };
        let below = constants.get_item(index + 1)?;
        Ok(Some(Self { place: switch.place(), replacement: switch.replacement(), below }))
    }
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
    let (Some(code), Some(globals)) = (body.code(), body.globals()) else {
        return Ok(false);
    };
    let Some(code) = code_choosing(code, parameters, place, replacement)? else {
        return Ok(false);
    };
    let function = define(&code, globals)?;
    let kept = body.kept().into_iter().flatten().chain([replacement.as_any().clone()]);
    let kept = PyTuple::new(place.py(), kept.collect::<Vec<_>>())?;
    body.set_code(&function, Some(kept));
    Ok(true)
}

/// Takes away what [`add`] did last, if it did anything.
pub(crate) fn take_off<'py>(body: &mut Body<'py>) -> PyResult<Option<Graft<'py>>> {
    let (Some(code), Some(globals), Some(kept)) = (body.code(), body.globals(), body.kept()) else {
        return Ok(None);
    };
    let Some(graft) = Graft::of(code)? else {
        return Ok(None);
    };
    let function = define(&graft.below, globals)?;
    let left = kept.len() - 1;
    let kept = (left > 0).then(|| kept.get_slice(0, left));
    body.set_code(&function, kept);
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
    let mut code_of = Assembler { opcodes: Opcodes::get(py)?, bytes: Vec::new() };
    let mut constants: Vec<_> = constants.iter().collect();
    let depth = code_of.call(code, parameters, &mut constants)?;
    let call = std::mem::take(&mut code_of.bytes);

    let own = code.getattr(intern!(py, "co_code"))?.cast_into::<PyBytes>()?;
    code_of.emit("LOAD_CONST", constants.len())?;
    code_of.emit("UNARY_INVERT", 0)?;
    code_of.jump_over(own.as_bytes().len() / UNIT)?;
    let mut bytes = code_of.bytes;
    let test = bytes.len() / UNIT;
    if cfg!(Py_3_11) {
        bytes.extend(own.as_bytes());
    } else if let Some(moved) = code_of.opcodes.moved(own.as_bytes(), test) {
        bytes.extend(moved);
    } else {
        return Ok(None);
    }
    bytes.extend(&call);
    let switch = Switch::new(place, replacement)?;
    constants.extend([switch.as_any().clone(), code.clone()]);

    let changes = PyDict::new(py);
    let stack_size: usize = code.getattr(intern!(py, "co_stacksize"))?.extract()?;
    let lines = code.getattr(intern!(py, "co_linetable"))?.cast_into::<PyBytes>()?;
    let lines = tables::around(lines.as_bytes(), test, call.len() / UNIT).ok_or_else(unknown)?;
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

/// Makes a function of a code object, as a `def` does.
///
/// Since 3.13 calls of a function that comes about otherwise are never specialised: it has no version
/// (`MAKE_FUNCTION`, Python/bytecodes.c).
fn define<'py>(code: &Bound<'py, PyAny>, globals: &Bound<'py, PyAny>) -> PyResult<Function<'py>> {
    static MAKER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if cfg!(not(Py_3_13)) {
        return Function::with_code(code, globals);
    }
    let py = code.py();
    let maker = MAKER.get_or_try_init(py, || -> PyResult<_> {
        let mut make = Assembler { opcodes: Opcodes::get(py)?, bytes: Vec::new() };
        for name in ["RESUME", "LOAD_FAST", "MAKE_FUNCTION", "RETURN_VALUE"] {
            make.emit(name, 0)?;
        }
        let changes = PyDict::new(py);
        changes.set_item("co_code", PyBytes::new(py, &make.bytes))?;
        changes.set_item("co_linetable", PyBytes::new(py, &tables::without_lines(make.units())))?;
        let template = py.eval(c"lambda code: code", None, None)?.getattr("__code__")?;
        Ok(template.call_method("replace", (), Some(&changes))?.unbind())
    })?;
    let made = Function::with_code(maker.bind(py), globals)?.as_any().call1((code,))?;
    Function::new(&made).ok_or_else(|| PySystemError::new_err("MAKE_FUNCTION made no function"))
}

/// The instructions of this interpreter.
struct Opcodes {
    /// The number of each, and how many units its inline cache takes.
    known: HashMap<String, (u8, usize)>,
    /// The numbers of those that jump to a place which they count from the beginning (3.10).
    absolute: Vec<u8>,
}

impl Opcodes {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static KNOWN: PyOnceLock<Opcodes> = PyOnceLock::new();
        if let Some(known) = KNOWN.get(py) {
            return Ok(known);
        }
        let module = py.import("opcode")?;
        let numbers = module.getattr("opmap")?.call_method0("items")?;
        let caches = module.getattr_opt("_inline_cache_entries")?; // 3.11
        let mut known = HashMap::new();
        for item in numbers.try_iter()? {
            let (name, number): (String, u16) = item?.extract()?;
            // Since 3.13 those above are no instructions that an interpreter runs.
            let Ok(number) = u8::try_from(number) else {
                continue;
            };
            let cache = match &caches {
                // A list by number, and since 3.13 a mapping that leaves out what has none.
                Some(caches) if cfg!(Py_3_13) => {
                    caches.call_method1("get", (&name, 0))?.extract()?
                }
                Some(caches) => caches.get_item(number)?.extract()?,
                None => 0,
            };
            known.insert(name, (number, cache));
        }
        let absolute =
            if cfg!(Py_3_11) { Vec::new() } else { module.getattr("hasjabs")?.extract()? };
        Ok(KNOWN.get_or_init(py, || Self { known, absolute }))
    }

    /// 3.10: the same code behind `units` others. `None` if an instruction would need more room.
    fn moved(&self, code: &[u8], units: usize) -> Option<Vec<u8>> {
        let (extended, _) = self.known.get("EXTENDED_ARG")?;
        let mut moved = code.to_vec();
        let (mut first, mut operand) = (0, 0);
        for index in (0..code.len()).step_by(UNIT) {
            operand = operand << 8 | usize::from(code[index + 1]);
            if code[index] == *extended {
                continue;
            }
            if self.absolute.contains(&code[index]) {
                let mut target = operand + units;
                for place in (first..index + UNIT).step_by(UNIT).rev() {
                    moved[place + 1] = (target & 0xff).try_into().ok()?;
                    target >>= 8;
                }
                if target > 0 {
                    return None;
                }
            }
            (first, operand) = (index + UNIT, 0);
        }
        Some(moved)
    }
}

/// Writes instructions.
struct Assembler {
    opcodes: &'static Opcodes,
    bytes: Vec<u8>,
}

impl Assembler {
    fn units(&self) -> usize {
        self.bytes.len() / UNIT
    }

    fn emit(&mut self, name: &str, operand: usize) -> PyResult<()> {
        let find = |name: &str| {
            let found = self.opcodes.known.get(name).copied();
            found.ok_or_else(|| PySystemError::new_err(format!("CPython has no {name} here")))
        };
        let ((number, cache), (extended, _)) = (find(name)?, find("EXTENDED_ARG")?);
        let operand = u32::try_from(operand)?.to_be_bytes();
        let skipped = operand[..3].iter().take_while(|byte| **byte == 0).count();
        self.bytes.extend(operand[skipped..3].iter().flat_map(|byte| [extended, *byte]));
        self.bytes.extend([number, operand[3]]);
        self.bytes.extend(std::iter::repeat_n(0, cache * UNIT));
        Ok(())
    }

    /// Jumps over so many units, those of the target's code, unless None is on the stack, and takes it off
    /// otherwise.
    fn jump_over(&mut self, units: usize) -> PyResult<()> {
        if cfg!(Py_3_12) {
            self.emit("COPY", 1)?;
            self.emit("POP_JUMP_IF_NOT_NONE", units + 1)?;
            return self.emit("POP_TOP", 0);
        }
        if cfg!(Py_3_11) {
            return self.emit("JUMP_IF_TRUE_OR_POP", units);
        }
        // To a place that depends on how much room it takes itself.
        let before = self.units();
        for own in 1.. {
            self.emit("JUMP_IF_TRUE_OR_POP", before + own + units)?;
            if self.units() == before + own {
                break;
            }
            self.bytes.truncate(before * UNIT);
        }
        Ok(())
    }

    /// Calls what is on the stack with the arguments of `code`, and returns the result. Returns how much stack
    /// that takes.
    fn call<'py>(
        &mut self,
        code: &Bound<'py, PyAny>,
        parameters: &[Parameter],
        constants: &mut Vec<Bound<'py, PyAny>>,
    ) -> PyResult<usize> {
        let py = code.py();
        // In 3.10 arguments that inner functions use are in cells from the start, and only there.
        let cells: Vec<String> = if cfg!(Py_3_11) {
            Vec::new()
        } else {
            code.getattr(intern!(py, "co_cellvars"))?.extract()?
        };
        let by_kind = |wanted: &dyn Fn(u8) -> bool| -> Vec<&Parameter> {
            parameters.iter().filter(|parameter| wanted(parameter.kind)).collect()
        };
        let positional = by_kind(&|kind| kind < VAR_POSITIONAL);
        let keywords = by_kind(&|kind| kind == KEYWORD_ONLY);
        let rest = by_kind(&|kind| kind == VAR_POSITIONAL).pop();
        let rest_of_keywords = by_kind(&|kind| kind == VAR_KEYWORD).pop();
        // This is the order in which code objects have them.
        let in_order: Vec<_> = positional.iter().chain(&keywords).copied().collect();
        let in_order = in_order.into_iter().chain(rest).chain(rest_of_keywords);
        let places: HashMap<_, _> = in_order.enumerate().map(|(at, it)| (&*it.name, at)).collect();
        let load = |this: &mut Self, parameter: &Parameter| match cells
            .iter()
            .position(|cell| *cell == parameter.name)
        {
            Some(cell) => this.emit("LOAD_DEREF", cell),
            None => this.emit("LOAD_FAST", places[&*parameter.name]),
        };
        let mut constant = |this: &mut Self, value: Bound<'py, PyAny>| {
            constants.push(value);
            this.emit("LOAD_CONST", constants.len() - 1)
        };

        if cfg!(Py_3_11) {
            self.emit("RESUME", 0)?;
            self.emit("PUSH_NULL", 0)?;
        }
        if cfg!(all(Py_3_11, not(Py_3_13))) {
            self.emit("SWAP", 2)?; // since 3.13 the NULL comes second
        }
        let is_simple = positional.len() == parameters.len();
        if !is_simple && positional.is_empty() && rest.is_none() {
            // A debug build would mind a tuple made of nothing, which is immortal (3.15).
            constant(self, PyTuple::empty(py).into_any())?;
        }
        for parameter in &positional {
            load(self, parameter)?;
        }
        if is_simple {
            let count = positional.len();
            if cfg!(not(Py_3_11)) {
                self.emit("CALL_FUNCTION", count)?;
            } else {
                if cfg!(not(Py_3_12)) {
                    self.emit("PRECALL", count)?;
                }
                self.emit("CALL", count)?;
            }
            self.emit("RETURN_VALUE", 0)?;
            return Ok(2 + count);
        }
        if !positional.is_empty() {
            self.emit("BUILD_TUPLE", positional.len())?;
        }
        if let Some(rest) = rest {
            load(self, rest)?;
            if !positional.is_empty() {
                self.binary("BINARY_ADD", ADD)?;
            }
        }
        for parameter in &keywords {
            constant(self, parameter.name.as_str().into_pyobject(py)?.into_any())?;
            load(self, parameter)?;
        }
        if !keywords.is_empty() {
            self.emit("BUILD_MAP", keywords.len())?;
        }
        if let Some(rest) = rest_of_keywords {
            load(self, rest)?;
            if !keywords.is_empty() {
                self.binary("BINARY_OR", OR)?;
            }
        }
        let has_keywords = !keywords.is_empty() || rest_of_keywords.is_some();
        if cfg!(Py_3_14) {
            if !has_keywords {
                self.emit("PUSH_NULL", 0)?; // since 3.14 there is always something for them
            }
            self.emit("CALL_FUNCTION_EX", 0)?;
        } else {
            self.emit("CALL_FUNCTION_EX", usize::from(has_keywords))?;
        }
        self.emit("RETURN_VALUE", 0)?;
        Ok(2 + positional.len().max(1 + 2 * keywords.len()) + 2)
    }

    /// An operator, by its own instruction in 3.10.
    fn binary(&mut self, name: &str, operator: usize) -> PyResult<()> {
        if cfg!(Py_3_11) { self.emit("BINARY_OP", operator) } else { self.emit(name, 0) }
    }
}
