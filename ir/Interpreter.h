// SPDX-License-Identifier: Apache-2.0
// The oracle: runs a graph in float32 with plain loops, one op after another, and shares no code with any kernel.
// Every result is rounded to its element type, so that what it says of bf16 is what bf16 means.
#pragma once
#include "ir/Graph.h"
#include "ir/WeightTensor.h"
#include <functional>
#include <map>
#include <unordered_map>

namespace sinter {

/// A value with all dims known. Integers are held as floats, exactly (they are below 2^24).
struct Tensor {
  ElementType element;
  llvm::SmallVector<int64_t, 2> shape;
  std::vector<float> data; ///< row-major

  int64_t rows() const { return shape.size() < 2 ? 1 : shape[0]; }
  int64_t columns() const { return shape.back(); }
  float *row(int64_t r) { return data.data() + r * columns(); }
  const float *row(int64_t r) const { return data.data() + r * columns(); }
};

/// The nearest values that an element type can hold; quantized types group by group along the row.
void roundTo(ElementType element, llvm::MutableArrayRef<float> row);

/// The tokens of a step and the sequences they belong to; the tokens of a sequence come in order of position.
struct EvalStep {
  std::vector<int32_t> tokens, positions, sequences; ///< [T]
  std::vector<int32_t> logitRows;                    ///< [S]
};

/// Keys and values seen so far: one row a position, for every layer and sequence.
struct KvState {
  struct Rows {
    std::vector<float> k, v;
  };
  std::map<std::pair<int64_t, int32_t>, Rows> entries; ///< by (layer, sequence)
};

/// Where the interpreter finds a weight as floats: a checkpoint, or random numbers.
class WeightSource {
public:
  virtual ~WeightSource() = default;
  virtual llvm::Expected<Tensor> read(const Value &weight) = 0;
};

/// Numbers that depend on nothing but the weight's name: norms around 1, matrices scaled by 1/sqrt(K).
class RandomWeights : public WeightSource {
public:
  explicit RandomWeights(uint64_t seed) : seed(seed) {}
  llvm::Expected<Tensor> read(const Value &weight) override;

private:
  uint64_t seed;
};

/// Runs one step of one graph; what the ops' evaluate() works with.
class Evaluator {
public:
  Evaluator(const Graph &graph, WeightSource &weights, KvState &kv) : graph(graph), weights(weights), kv(kv) {}

  /// `inputs`: one tensor a parameter. Afterwards every value of the graph can be read with operator[].
  llvm::Error run(const EvalStep &step, std::vector<Tensor> inputs);
  std::vector<Tensor> returns() const;
  /// Called after every op, with its results computed.
  std::function<llvm::Error(const Op &)> onOp;
  /// Frees a value after its last use, so that large models fit: only the returns can be read afterwards.
  bool keepValues = true;

  const Tensor &operator[](const Value &v) const { return values.at(&v); }
  const Tensor &operator[](const class Operand &o) const;
  /// The result to be written: sized for this step and filled with NaN.
  Tensor &result(const Op &op, size_t i = 0) { return values.at(&op.result(i)); }
  const EvalStep &step() const { return *current; }
  KvState::Rows &cache(int64_t layer, int32_t sequence) { return kv.entries[{layer, sequence}]; }

private:
  llvm::Error evaluate(const Op &op);
  llvm::Error loadWeights(const Op &op);

  const Graph &graph;
  WeightSource &weights;
  KvState &kv;
  const EvalStep *current = nullptr;
  std::unordered_map<const Value *, Tensor> values;
};

/// Which positions of which sequences a random step has: `lengths[s]` tokens of sequence s from position `begin[s]`.
/// Two prompts of different length, unless said otherwise: positions restart, and one must not see the other.
struct StepShape {
  llvm::SmallVector<int32_t, 2> begin{0, 0}, lengths{5, 3};
};

/// Random inputs for a graph: `positions` as the step says, tokens below 8, floats around 0.
struct RandomStep {
  EvalStep step;
  std::vector<Tensor> inputs;
};
RandomStep randomStep(const Graph &graph, uint64_t seed, const StepShape &shape = {});

} // namespace sinter
