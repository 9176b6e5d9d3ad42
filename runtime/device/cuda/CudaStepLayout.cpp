// SPDX-License-Identifier: Apache-2.0
// Offsets of the arrays, and the writing of a step into them.
#include "runtime/device/cuda/CudaStepLayout.h"
#include <algorithm>

namespace sinter::rt {
namespace {

template <typename T>
uint64_t place(uint64_t &end, int64_t count) {
  uint64_t offset = (end + 15) & ~uint64_t{15};
  end = offset + static_cast<uint64_t>(count) * sizeof(T);
  return offset;
}

template <typename T>
const T *pointer(CudaAddress address) {
  return reinterpret_cast<const T *>(address);
}

/// `values`, then `padding` up to `size`.
void writePadded(int32_t *into, const int32_t *values, int32_t count, int32_t size, int32_t padding) {
  std::copy_n(values, count, into);
  std::fill(into + count, into + size, padding);
}

/// A token that is named twice gets one bias, the sum: kernels add them in no order.
void appendBiases(const std::vector<LogitBias> &biases, std::vector<CudaLogitBias> &list) {
  size_t begin = list.size();
  for (const LogitBias &one : biases)
    list.push_back({one.token, one.bias});
  auto first = list.begin() + static_cast<ptrdiff_t>(begin);
  std::stable_sort(first, list.end(), [](const CudaLogitBias &a, const CudaLogitBias &b) { return a.token < b.token; });
  for (size_t i = begin + 1; i < list.size();)
    if (list[i].token == list[i - 1].token) {
      list[i - 1].bias += list[i].bias;
      list.erase(list.begin() + static_cast<ptrdiff_t>(i));
    } else {
      ++i;
    }
}

} // namespace

CudaStepLayout::CudaStepLayout(const CudaStepShape &shape) : shape(shape) {
  uint64_t end = CudaStep::NumCounts * sizeof(int32_t);
  headCounts = place<int32_t>(end, CudaStep::NumCounts);
  logitRows = place<int32_t>(end, shape.logits);
  sampling = place<CudaSampling>(end, shape.logits);
  tokens = place<int32_t>(end, shape.tokens);
  positions = place<int32_t>(end, shape.tokens);
  slots = place<int32_t>(end, shape.tokens);
  queryStart = place<int32_t>(end, shape.sequences + 1);
  contextLengths = place<int32_t>(end, shape.sequences);
  blockTable = place<int32_t>(end, int64_t{shape.sequences} * shape.tableStride);
  total = end;
}

CudaStep CudaStepLayout::body(CudaAddress base, const CudaStepArrays &others) const {
  return {.counts = pointer<int>(base),
          .tokens = pointer<int>(base + tokens),
          .positions = pointer<int>(base + positions),
          .slots = pointer<int>(base + slots),
          .queryStart = pointer<int>(base + queryStart),
          .contextLengths = pointer<int>(base + contextLengths),
          .blockTable = pointer<int>(base + blockTable),
          .blockTableStride = shape.tableStride,
          .logitRows = pointer<int>(base + logitRows),
          .sampling = pointer<CudaSampling>(base + sampling),
          .history = pointer<CudaTokenCount>(others.history),
          .bias = pointer<CudaLogitBias>(others.bias),
          .sampled = const_cast<int *>(pointer<int>(others.sampled)),
          .published = const_cast<int *>(pointer<int>(others.published))};
}

CudaStep CudaStepLayout::head(CudaAddress base, const CudaStepArrays &others) const {
  CudaStep step = body(base, others);
  step.counts = pointer<int>(base + headCounts);
  step.tokens = step.positions = step.slots = step.queryStart = step.contextLengths = step.blockTable = nullptr;
  return step;
}

uint64_t CudaStepLayout::write(std::byte *buffer, const Step &step, int32_t blockTokens) const {
  auto array = [buffer](uint64_t offset) { return reinterpret_cast<int32_t *>(buffer + offset); };
  for (bool head : {false, true}) {
    int32_t *counts = array(head ? headCounts : 0);
    counts[CudaStep::Tokens] = head ? step.numLogits : step.numTokens;
    counts[CudaStep::Sequences] = step.numSeqs;
    counts[CudaStep::Logits] = step.numLogits;
  }
  writePadded(array(tokens), step.tokens, step.numTokens, shape.tokens, 0);
  writePadded(array(positions), step.positions, step.numTokens, shape.tokens, 0);
  writePadded(array(queryStart), step.queryStart, step.numSeqs + 1, shape.sequences + 1, step.numTokens);
  writePadded(array(contextLengths), step.contextLen, step.numSeqs, shape.sequences, 0);
  writePadded(array(logitRows), step.logitRows, step.numLogits, shape.logits, 0);

  int32_t *slot = array(slots), *table = array(blockTable);
  uint64_t used = blockTable;
  for (int32_t s = 0; s < step.numSeqs; ++s) {
    const int32_t *blocks = step.blockTable + int64_t{s} * step.blockTableStride;
    int32_t count = (step.contextLen[s] + blockTokens - 1) / blockTokens;
    int64_t row = int64_t{s} * shape.tableStride;
    std::copy_n(blocks, count, table + row);
    used = blockTable + static_cast<uint64_t>(row + count) * sizeof(int32_t);
    for (int32_t t = step.queryStart[s]; t < step.queryStart[s + 1]; ++t)
      slot[t] = blocks[step.positions[t] / blockTokens] * blockTokens + step.positions[t] % blockTokens;
  }
  std::fill(slot + step.numTokens, slot + shape.tokens, -1);
  return used;
}

CudaSampling *CudaStepLayout::samplings(std::byte *buffer) const {
  return reinterpret_cast<CudaSampling *>(buffer + sampling);
}

CudaSampling cudaSampling(const SampleRow &row, CudaSamplingLists &lists) {
  CudaSampling result{};
  result.temperature = -1;
  result.historyBegin = result.historyEnd = static_cast<int>(lists.history.size());
  result.biasBegin = result.biasEnd = static_cast<int>(lists.bias.size());
  if (!row.params)
    return result;
  const SamplingParams &params = *row.params;
  result.temperature = params.greedy() ? 0 : params.temperature;
  result.topP = params.topP;
  result.minP = params.minP;
  result.repetition = params.repetitionPenalty;
  result.frequency = params.frequencyPenalty;
  result.presence = params.presencePenalty;
  result.topK = params.topK;
  result.seed[0] = static_cast<unsigned>(row.seed);
  result.seed[1] = static_cast<unsigned>(row.seed >> 32);
  result.index = static_cast<unsigned>(row.index);
  if (params.penalizes())
    for (const TokenHistory::Entry &entry : row.history->entries())
      lists.history.push_back({entry.token, entry.outputCount});
  appendBiases(params.logitBias, lists.bias);
  result.historyEnd = static_cast<int>(lists.history.size());
  result.biasEnd = static_cast<int>(lists.bias.size());
  return result;
}

} // namespace sinter::rt
