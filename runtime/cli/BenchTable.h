// SPDX-License-Identifier: Apache-2.0
// Tables of bench: markdown whose columns line up in a terminal too.
#pragma once
#include <iosfwd>
#include <string>
#include <vector>

namespace sinter::rt {

using TableRow = std::vector<std::string>;

/// The first `leftAligned` columns are text.
void printTable(std::ostream &out, const TableRow &header, const std::vector<TableRow> &rows, size_t leftAligned);

} // namespace sinter::rt
