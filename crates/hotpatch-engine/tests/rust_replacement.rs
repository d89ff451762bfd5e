//! The example extension, used as a program would use it.

use pyo3::prelude::*;
use pyo3::types::PyDict;

#[path = "../examples/rust_replacement.rs"]
#[allow(unreachable_pub, reason = "an extension module of its own, included here as a part")]
mod example;

#[test]
fn a_rust_function_takes_the_place_of_a_python_function() {
    Python::attach(|py| {
        let module = pyo3::wrap_pymodule!(example::rust_replacement)(py);
        let globals = PyDict::new(py);
        globals.set_item("example", module).unwrap();
        py.run(
            c"
def total(numbers):
    result = 0
    for number in numbers:
        result += number
    return result

imported_elsewhere = total
patch = example.speed_up(total)
assert imported_elsewhere([1, 2, 3]) == 6
try:
    imported_elsewhere(['a'])
except TypeError as error:
    assert 'str' in str(error), error
else:
    raise AssertionError('the Python body ran')
patch.undo()
assert imported_elsewhere([1.5, 2]) == 3.5
",
            Some(&globals),
            None,
        )
        .unwrap();
    });
}
