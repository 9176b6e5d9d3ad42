# SPDX-License-Identifier: Apache-2.0
# Text tests: .sir files beside the GoogleTest files, each with its own RUN lines.
#
#   python3 /usr/lib/llvm-19/build/utils/lit/lit.py build/tests
#
# CMake writes build/tests/lit.site.cfg.py, which says where the tools are.
import os

import lit.formats

config.name = "sinter"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".sir", ".test"]
config.excludes = ["golden", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.sinter_build_dir + "/tests"

config.environment["PATH"] = os.pathsep.join(
    [config.sinter_build_dir + "/bin", config.llvm_tools_dir, config.environment["PATH"]]
)
config.substitutions.append(("%models", config.sinter_source_dir + "/models"))
config.substitutions.append(("%golden", config.sinter_source_dir + "/tests/golden"))
