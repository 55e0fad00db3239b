"""Shows that each rule can fail: every check is given a small project with a mistake in it, and one without."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import formatting
import headers_alone
import includes
import text
import tidy

REAL_ROOT = Path(__file__).parents[2]


class RuleTest(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path, content):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def findings_of(self, check, path, content):
        """What check says of a project whose only new file is this one."""
        file = self.write(path, content)
        found = list(check(self.root))
        file.unlink()
        return found


class Includes(RuleTest):
    def setUp(self):
        super().setUp()
        for path in ("proto/abi/pte.h", "proto/framing.h", "hypervisor-model/domain.h", "hypervisor-model/page_type.h",
                     "hypervisor-model/server.h", "hypervisor-model/machine/machine.h", "guest-pv/mm.h",
                     "guest-pv/pv_mmu_ops.h", "guest-pv/xen/mmu_pv.h", "guest-pv/channel_client.h", "proto/codec.h"):
            self.write(path, "")

    def test_what_the_layers_forbid_is_reported(self):
        for path, include in (
                ("proto/abi/pte.cpp", "<fmt/format.h>"),
                ("proto/abi/pte.cpp", "<sys/mman.h>"),
                ("proto/abi/pte.cpp", '"proto/framing.h"'),
                ("proto/framing.cpp", "<google/protobuf/message.h>"),
                ("proto/framing.cpp", "<boost/asio.hpp>"),
                ("proto/framing.cpp", "<unistd.h>"),
                ("proto/codec.cpp", "<boost/asio.hpp>"),
                ("hypervisor-model/validate.cpp", "<boost/asio.hpp>"),
                ("hypervisor-model/validate.cpp", '"wire.pb.h"'),
                ("hypervisor-model/validate.cpp", '"proto/codec.h"'),
                ("hypervisor-model/validate.cpp", '"guest-pv/mm.h"'),
                ("hypervisor-model/validate.cpp", '"hypervisor-model/server.h"'),
                ("hypervisor-model/machine/walk.cpp", '"hypervisor-model/page_type.h"'),
                ("hypervisor-model/audit.cpp", '"hypervisor-model/page_type.h"'),
                ("hypervisor-model/server.cpp", '"guest-pv/mm.h"'),
                ("guest-pv/fork.cpp", '"hypervisor-model/domain.h"'),
                ("guest-pv/fork.cpp", '"guest-pv/xen/mmu_pv.h"'),
                ("guest-pv/fork.cpp", '"guest-pv/channel_client.h"'),
                ("guest-pv/fork.cpp", "<google/protobuf/message.h>"),
                ("guest-pv/channel_client.cpp", '"hypervisor-model/domain.h"'),
                ("guest-pv/fork.cpp", '"mm.h"'),
                ("tools/run.cpp", '"tools/absent.h"'),
                ("proto/new.cpp", "<vector>"),
        ):
            with self.subTest(path=path, include=include):
                self.assertEqual(len(self.findings_of(includes.check, path, f"#include {include}\n")), 1)

    def test_what_the_layers_allow_is_not(self):
        for path, include in (
                ("proto/abi/pte.cpp", "<vector>"),
                ("proto/codec.cpp", '"wire.pb.h"'),
                ("hypervisor-model/validate.cpp", '"hypervisor-model/page_type.h"'),
                ("hypervisor-model/audit.cpp", '"hypervisor-model/machine/machine.h"'),
                ("hypervisor-model/server.cpp", "<boost/asio.hpp>"),
                ("guest-pv/fork.cpp", '"guest-pv/pv_mmu_ops.h"'),
                ("guest-pv/kernel.cpp", '"guest-pv/xen/mmu_pv.h"'),
                ("guest-pv/channel_client.cpp", '"proto/codec.h"'),
                ("tools/run.cpp", '"hypervisor-model/page_type.h"'),
        ):
            with self.subTest(path=path, include=include):
                self.assertEqual(self.findings_of(includes.check, path, f"#include {include}\n"), [])


class Text(RuleTest):
    def test_mistakes_are_reported(self):
        for path, content in (
                ("tools/run.cpp", "int x;\n" * 401),
                ("tools/run.h", "int x;\n"),
                ("tools/run.cpp", "// TODO\n"),
                ("guest-pv/mm.cpp", "// see /data/notes\n"),
                ("examples/a.textproto", '# "/home/me/socket"\n'),
                ("tools/run.cpp", "int x; \n"),
                ("tools/run.cpp", "\tint x;\n"),
        ):
            with self.subTest(path=path, content=content[:20]):
                self.assertEqual(len(self.findings_of(text.check, path, content)), 1)

    def test_the_longest_file_allowed_is_not(self):
        self.assertEqual(self.findings_of(text.check, "tools/run.cpp", "int x;\n" * 400), [])


class HeadersAlone(RuleTest):
    def findings_of_header(self, content):
        return self.findings_of(lambda root: headers_alone.check(root, ["g++-12"]), "tools/run.h", content)

    def test_a_header_that_leans_on_another_is_reported(self):
        self.assertEqual(len(self.findings_of_header("#pragma once\nstd::string name();\n")), 1)

    def test_one_that_stands_alone_is_not(self):
        self.assertEqual(self.findings_of_header("#pragma once\n#include <string>\nstd::string name();\n"), [])


class Formatting(RuleTest):
    def setUp(self):
        super().setUp()
        shutil.copy(REAL_ROOT / ".clang-format", self.root)

    def test_a_file_out_of_form_is_reported(self):
        self.assertNotEqual(self.findings_of(formatting.check, "tools/run.cpp", "int   x ;\n"), [])

    def test_one_in_form_is_not(self):
        self.assertEqual(self.findings_of(formatting.check, "tools/run.cpp", "int x;\n"), [])


class Tidy(RuleTest):
    def setUp(self):
        super().setUp()
        shutil.copy(REAL_ROOT / ".clang-tidy", self.root)

    def findings_of_source(self, content):
        file = str(self.root / "tools/run.cpp")
        command = {"directory": str(self.root), "file": file, "command": f"g++-12 -std=c++23 -Wno-stringop-overflow -Werror -c {file}"}
        self.write("build/compile_commands.json", json.dumps([command]))
        return self.findings_of(lambda root: tidy.check(root, str(root / "build")), "tools/run.cpp", content)

    def test_mistakes_are_reported(self):
        long_body = "  x = x * 3 + 1;\n" * 71
        for expected, content in (
                ("bugprone-use-after-move",
                 "#include <string>\n#include <utility>\nint f(std::string s);\nint g(std::string s);\n"
                 "int g(std::string s) {\n  return f(std::move(s)) + static_cast<int>(s.size());\n}\n"),
                ("readability-identifier-naming", "struct PageInfo {};\n"),
                ("readability-identifier-naming", "void getPage();\n"),
                ("readability-function-size", f"int f(int x);\nint f(int x) {{\n{long_body}  return x;\n}}\n"),
                ("clang-diagnostic-error", "int f( {\n"),
        ):
            with self.subTest(expected):
                self.assertIn(expected, " ".join(self.findings_of_source(content)))

    def test_names_of_xen_and_linux_are_not(self):
        source = ("enum mmuext_cmd { MMUEXT_PIN_L1_TABLE };\nconstexpr unsigned long PGT_pinned = 1UL << 59;\n"
                  "struct page_info {\n  unsigned long count_info;\n};\n")
        self.assertEqual(self.findings_of_source(source), [])


if __name__ == "__main__":
    unittest.main()
