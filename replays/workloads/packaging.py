"""packaging: versions, specifiers, markers, requirements, tags, metadata."""

from __future__ import annotations

from replays.workloads import each

EXPRESSIONS = """
[str(Version(it)) for it in ["1.0", "1!2.3.post4.dev5+x.y", "v2.0rc1", "1.0-1", "01.2a"]]
Version("1!2.3.post4.dev5+x.1"), Version("1.0rc1").pre, Version("1+a").local, Version("1.2.3").release
sorted(map(Version, ["1.10", "1.9", "1.0rc1", "1.0.dev1", "1.0.post1", "1!0", "1.0a1", "1.0+b", "1.0+2"]))
Version("not a version")
hash(Version("1.0")) == hash(Version("1.0.0")), Version("1.0") == Version("1.0.0"), Version("1") == 1
Version("1.2.3.dev4").is_prerelease, Version("1.2").public, Version("1!2+l").base_version, Version("1.2").micro
Version("1.2") < "1.3"
Version("1.2").__replace__(release=(3, 4))
packaging.version.parse("1.2b3")
packaging.version.parse("french toast")
Specifier("~=1.2.3"), Specifier("==1.0.*").contains("1.0.5"), Specifier("===x").contains("x"), Specifier("!=1.0.*")
[Specifier(">1.0").contains(it) for it in ["1.0.post1", "1.1", "1.0+l", "1.1.dev1"]]
[Specifier("<=2").prereleases, Specifier(">=2rc1").prereleases], Specifier("==1") == Specifier("==1.0.0")
Specifier("=>1")
SpecifierSet(">=1,<2,!=1.5"), str(SpecifierSet(">=1,<2") & "!=1.7"), len(SpecifierSet(">=1,<2"))
list(SpecifierSet(">=1,<2").filter(["0.9", "1.0", "1.5", "2.0", "1.6rc1"])), "1.2" in SpecifierSet("~=1.1")
list(SpecifierSet(">=1").filter(["1.5a1", "1.6a1"])), SpecifierSet(">=1,<2", prereleases=True).contains("1.5a1")
SpecifierSet("") == SpecifierSet(""), hash(SpecifierSet(">=1")) == hash(SpecifierSet(">=1.0")), sorted(map(str, SpecifierSet(">=1,<2")))
SpecifierSet(">=1,bad")
SpecifierSet(">=2,<1").is_unsatisfiable()
Marker("python_version >= '3' and (os_name == 'nt' or extra == 'X_y')")
str(Marker("os_name=='a' and (sys_platform=='b' or os_name=='c')")), repr(Marker("'a' in os_name"))
Marker("extra == 'x'").evaluate({"extra": "x"}), Marker("python_version < '2'").evaluate(), Marker("os_name == 'q'") == Marker("os_name=='q'")
Marker("python_full_version == '3.9.*'").evaluate({"python_full_version": "3.9.7"}), Marker("os.name == 'x'").evaluate()
Marker("'x' in extras").evaluate({"extras": {"x"}})
Marker("nothing == 'x'")
Marker("os_name == 'x' and")
Marker("python_version >= '3'") & Marker("os_name == 'x'")
Requirement("a[b,c]>=1,<2 ; os_name == 'x'"), Requirement("a @ https://b.c/d ; os_name=='e'").url
str(Requirement("A-B [x , y] (>=1)")), Requirement("a"), Requirement("a") == Requirement("A"), Requirement("a[x]").extras, Requirement("a~=1.0").specifier
Requirement("a b")
Requirement("a[b")
Requirement("a>=1;")
Requirement("a @ b ; x")
packaging.utils.canonicalize_name("A__b.C-d"), packaging.utils.canonicalize_version("1.0.0"), packaging.utils.is_normalized_name("a-b")
packaging.utils.parse_wheel_filename("a_b-1.0-2x-py3-none-any.whl")
packaging.utils.parse_wheel_filename("a_b-1.0.whl")
packaging.utils.parse_sdist_filename("a-1.0.tar.gz"), packaging.utils.canonicalize_name("a b", validate=True)
packaging.tags.Tag("Py3", "None", "Any"), sorted(map(str, packaging.tags.parse_tag("py2.py3-none-any.other")))
[str(it) for it in packaging.tags.cpython_tags((3, 9), ["cp39"], ["x"])][:5], [str(it) for it in packaging.tags.compatible_tags((3, 4), "cp34", ["x"])][:4]
[str(it) for it in packaging.tags.generic_tags("a1", ["b"], ["c"])], list(packaging.tags.mac_platforms((11, 2), "x86_64"))[:4], list(packaging.tags.ios_platforms((13, 0), "x"))[:3]
packaging.tags.interpreter_name(), list(packaging.tags.android_platforms(20, "x86"))[:2], packaging.tags.Tag("a", "b", "c") == packaging.tags.Tag("A", "b", "c")
packaging.markers.default_environment()["implementation_name"], sorted(packaging.markers.default_environment())
"""
METADATA = """\
Metadata-Version: 2.3
Name: A.b
Version: 1.0
Summary: A text
Keywords: a,b
Requires-Dist: c>=1; extra == 'd'
Provides-Extra: d
Requires-Python: >=3.8
Project-URL: Home, https://a.b
License-Expression: MIT OR Apache-2.0
Dynamic: Platform

Long text
"""


def show_expressions() -> list[str]:
    return each(EXPRESSIONS, globals())


def show_metadata() -> list[str]:
    expressions = """
packaging.metadata.parse_email(METADATA)
vars(packaging.metadata.Metadata.from_email(METADATA, validate=False))
packaging.metadata.Metadata.from_email(METADATA).name
packaging.metadata.Metadata.from_email(METADATA).requires_dist
packaging.metadata.Metadata.from_email(METADATA).license_expression
packaging.metadata.Metadata.from_email(METADATA).project_urls
packaging.metadata.Metadata.from_email(METADATA).as_rfc822().as_string()
packaging.metadata.Metadata.from_email("Name: _").name
packaging.metadata.Metadata.from_raw({"name": "a", "version": "x", "metadata_version": "9"}).version
packaging.licenses.canonicalize_license_expression("mit or apache-2.0")
packaging.licenses.canonicalize_license_expression("mit or nothing")
"""
    return each(expressions, globals())
