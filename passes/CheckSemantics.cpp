// SPDX-License-Identifier: Apache-2.0
// Does a module mean what it meant? Both versions run on the same random weights and the same two steps (prompts, then
// a few tokens more, so that the KV cache is read back), and what they return is compared.
#include "ir/Interpreter.h"
#include "ir/Try.h"
#include "passes/Pass.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

namespace sinter {

namespace {

constexpr uint64_t seed = 20260101;
const StepShape stepShapes[] = {{.begin = {0, 0}, .lengths = {5, 3}}, {.begin = {5, 3}, .lengths = {1, 2}}};

/// What counts for the precision of a graph: its results' types, and element types among its attributes.
struct Precision {
  double floats = 0;      ///< bound for the coarsest float type
  unsigned quantized = 0; ///< quantized results

  explicit Precision(const Graph &graph) {
    for (auto &op : graph.ops()) {
      for (auto &r : op->results())
        add(r->type.element);
      for (OpMember *m : op->members())
        if (auto *attr = llvm::dyn_cast<AttrBase>(m); attr && attr->isSet() && !attr->isDefault())
          if (AttrValue value = attr->encode(); auto *element = value.as<ElementType>())
            add(*element);
    }
  }

private:
  void add(ElementType e) {
    quantized += e.isQuantized();
    if (e.isFloat())
      floats = std::max(floats, boundOf(e.scalar()));
  }
  /// A few layers' worth of rounding, as a share of a value's root mean square.
  static double boundOf(Scalar s) { return s == Scalar::BF16 ? 6e-2 : s == Scalar::F16 ? 1e-2 : 1e-4; }
};

/// The largest difference allowed, as a share of the root mean square. A wrong graph is off by about 1.
double allowedDifference(const Graph &before, const Graph &after) {
  Precision a(before), b(after);
  double bound = std::max(a.floats, b.floats);
  if (b.quantized > a.quantized) // quantizing activations loses: codes of 8 bits are half a percent off each
    return std::max(bound, 0.25);
  if (b.quantized) // a float's last bit may tip a code over to its neighbour
    return std::max(bound, 0.05);
  return bound;
}

/// The largest difference over the root mean square of `a`; a NaN on one side only is infinitely far.
double difference(const Tensor &a, const Tensor &b) {
  double largest = 0, squares = 0;
  for (auto [x, y] : llvm::zip_equal(a.data, b.data)) {
    squares += double(x) * x;
    if (std::isnan(x) != std::isnan(y))
      return INFINITY;
    if (!std::isnan(x) && x != y)
      largest = std::max(largest, std::fabs(double(x) - y));
  }
  return largest == 0 ? 0 : largest / std::sqrt(squares / double(a.data.size()) + 1e-30);
}

/// Both versions and all steps see the same numbers, made once.
class SharedWeights : public WeightSource {
public:
  llvm::Expected<Tensor> read(const Value &weight) override {
    auto [it, isNew] = known.try_emplace(weight.name);
    if (isNew) {
      TRY_ASSIGN(tensor, source.read(weight));
      it->second = std::move(tensor);
    }
    return it->second;
  }

private:
  RandomWeights source{seed};
  llvm::StringMap<Tensor> known;
};

/// One version of a graph with the KV cache that its steps have filled.
struct Version {
  const Graph &graph;
  WeightSource &weights;
  KvState kv{};
  std::unique_ptr<Evaluator> step{};

  llvm::Error run(const RandomStep &input) {
    step = std::make_unique<Evaluator>(graph, weights, kv);
    return step->run(input.step, input.inputs);
  }
};

/// " first seen in %h (0.5): %h = ..." for the first op, in the order of execution, with a result that differs from the
/// value of the same name before.
std::string firstDifference(const Version &before, const Version &after, double allowed) {
  llvm::StringMap<const Value *> known;
  for (auto &op : before.graph.ops())
    for (auto &r : op->results())
      known[r->name] = r.get();
  for (auto &op : after.graph.ops())
    for (auto &r : op->results()) {
      const Value *same = known.lookup(r->name);
      if (!same)
        continue;
      const Tensor &a = (*before.step)[*same], &b = (*after.step)[*r];
      if (double d = a.shape == b.shape ? difference(a, b) : INFINITY; !(d <= allowed))
        return llvm::formatv("; it begins in {0} ({1:f4}), computed by {2}", r->str(), d, str(*op)).str();
    }
  return "";
}

llvm::Error compareReturns(const Version &before, const Version &after, llvm::StringRef pass) {
  double allowed = allowedDifference(before.graph, after.graph);
  auto was = before.step->returns(), is = after.step->returns();
  if (was.size() != is.size())
    return llvm::createStringError(
        llvm::formatv("{0} changed the number of values that graph @{1} returns from {2} to {3}", pass,
                      before.graph.name, was.size(), is.size())
            .str());
  for (auto [i, a, b] : llvm::enumerate(was, is)) {
    double d = a.shape == b.shape ? difference(a, b) : INFINITY;
    if (d <= allowed)
      continue;
    return llvm::createStringError(
        llvm::formatv(
            "{0} changed what graph @{1} means: {2} differs by {3:f4} of its root mean square, allowed {4:f4}{5}", pass,
            before.graph.name, before.graph.returns()[i]->get()->str(), d, allowed,
            firstDifference(before, after, allowed))
            .str());
  }
  return llvm::Error::success();
}

llvm::Error checkGraph(const Graph &graphBefore, const Graph &graphAfter, llvm::StringRef pass) {
  SharedWeights weights;
  Version before{graphBefore, weights}, after{graphAfter, weights};
  for (const StepShape &shape : stepShapes) {
    RandomStep input = randomStep(graphBefore, seed, shape);
    TRY(before.run(input));
    TRY(after.run(input));
    TRY(compareReturns(before, after, pass));
  }
  return llvm::Error::success();
}

} // namespace

llvm::Error checkSemantics(const Module &before, const Module &after, llvm::StringRef pass) {
  for (auto &graph : before.graphs()) {
    Graph *now = after.findGraph(graph->name);
    if (!now)
      return llvm::createStringError(pass + " lost graph @" + graph->name);
    TRY(checkGraph(*graph, *now, pass));
  }
  return llvm::Error::success();
}

} // namespace sinter
