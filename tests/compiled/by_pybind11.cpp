// What pybind11 compiles, for tests/test_compiled.py.
#include <pybind11/pybind11.h>

#include <string>

namespace py = pybind11;

struct Counter {
    int count = 0;
    int add(int number) { return count += number; }
    static std::string name() { return "counter"; }
};

PYBIND11_MODULE(by_pybind11, module) {
    module.def("nothing", [] { return "nothing"; });
    module.def("single", [](py::object value) { return py::make_tuple("single", value); });
    module.def(
        "defaults",
        [](py::object first, py::object second) {
            return py::make_tuple("defaults", first, second);
        },
        py::arg("first"), py::arg("second") = "default");
    module.def("overloaded", [](int value) { return py::make_tuple("int", value); });
    module.def("overloaded", [](std::string value) { return py::make_tuple("str", value); });
    module.def("call", [](py::function function, py::args arguments, py::kwargs keywords) {
        return function(*arguments, **keywords);
    });
    py::class_<Counter>(module, "Counter")
        .def(py::init<>())
        .def("add", &Counter::add, py::arg("number") = 1)
        .def_static("name", &Counter::name);
}
