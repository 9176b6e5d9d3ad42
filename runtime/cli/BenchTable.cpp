// SPDX-License-Identifier: Apache-2.0
// Columns as wide as their widest cell.
#include "runtime/cli/BenchTable.h"
#include <algorithm>
#include <ostream>

namespace sinter::rt {

void printTable(std::ostream &out, const TableRow &header, const std::vector<TableRow> &rows, size_t leftAligned) {
  std::vector<size_t> widths;
  for (size_t column = 0; column < header.size(); ++column) {
    widths.push_back(std::max<size_t>(header[column].size(), 3));
    for (const TableRow &row : rows)
      widths[column] = std::max(widths[column], row[column].size());
  }
  auto print = [&](const TableRow &row) {
    for (size_t column = 0; column < row.size(); ++column) {
      std::string blanks(widths[column] - row[column].size(), ' ');
      out << "| " << (column < leftAligned ? row[column] + blanks : blanks + row[column]) << ' ';
    }
    out << "|\n";
  };
  print(header);
  for (size_t column = 0; column < header.size(); ++column)
    out << "| " << std::string(widths[column] - 1, '-') << (column < leftAligned ? "- " : ": ");
  out << "|\n";
  for (const TableRow &row : rows)
    print(row);
}

} // namespace sinter::rt
