// SPDX-License-Identifier: Apache-2.0
// hoist-rope-tables: cos and sin of every position become a table, computed once at compile time.
//
//                                               %rope_table = rope_table {rope = ..., positions = 2048} : f32[2048, 64]
//   %y = rope %x, %positions {rope = ...}   =>  %y = apply_rope %x, %positions, %rope_table : f32[T, 64]
//
// Ropes of equal parameters share one table, at the top of the graph. The table has a row for each of the positions a
// sequence may have (the module's max_seq_len).

#include "ir/Ops.h"
#include "passes/Pass.h"

namespace sinter {

namespace {

RopeTable *findTable(const Graph &graph, const Rope &rope) {
  for (RopeTable &table : graph.opsOf<RopeTable>())
    if (*table.rope == *rope.rope && *table.headDim == *rope.headDim && *table.positions == graph.module().maxSeqLen)
      return &table;
  return nullptr;
}

RopeTable &createTable(Graph &graph, const Rope &rope) {
  auto top = llvm::find_if(graph.ops(), [](auto &op) { return !llvm::isa<RopeTable>(op.get()); });
  RopeTable &table = (*top)->insertBefore<RopeTable>("rope_table", {}, [&](RopeTable &op) {
    op.rope = *rope.rope;
    op.headDim = *rope.headDim;
    op.positions = graph.module().maxSeqLen;
  });
  table.layer = -1;
  table.loc = rope.loc;
  return table;
}

/// A table further down, written by hand, could come too late: only those at the top are shared.
bool isAtTop(const Graph &graph, const RopeTable &table) {
  for (auto &op : graph.ops()) {
    if (op.get() == &table)
      return true;
    if (!llvm::isa<RopeTable>(op.get()))
      return false;
  }
  return false;
}

} // namespace

void hoistRopeTables(Graph &graph, const PassOptions &) {
  for (Rope &rope : graph.opsOf<Rope>()) {
    RopeTable *table = findTable(graph, rope);
    if (!table || !isAtTop(graph, *table))
      table = &createTable(graph, rope);
    rope.replaceWith<ApplyRope>({&rope.x.get(), &rope.positions.get(), &table->result()});
    graph.erase(rope);
  }
}

} // namespace sinter
