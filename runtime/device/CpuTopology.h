// SPDX-License-Identifier: Apache-2.0
// How many threads this process should use, and what its CPU can do.
#pragma once
#include <string>
#include <string_view>

namespace sinter::rt {

/// Physical cores among the CPUs that this process may run on, at most its cgroup's CPU quota, rounded up; at least 1.
int availableCores();

/// The machine's CPU features as the "flags" line of /proc/cpuinfo names them.
std::string cpuFlags();

/// The features in `required` (separated by blanks) that `flags` lacks, in order, separated by ", ".
std::string missingFeatures(std::string_view required, std::string_view flags);

} // namespace sinter::rt
