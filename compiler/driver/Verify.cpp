// SPDX-License-Identifier: Apache-2.0
#include "compiler/driver/Verify.h"
#include "codegen/HostCompiler.h"
#include "compiler/driver/RuntimeError.h"
#include "compiler/import/Floats.h"
#include "ir/Interpreter.h"
#include "ir/Ops.h"
#include "ir/Try.h"
#include "passes/PlanMemory.h"
#include "runtime/device/CpuExecutor.h"
#include "runtime/device/ThreadPool.h"
#include "runtime/support/Payload.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Program.h"
#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <random>

namespace sinter {

using llvm::Error;

namespace {

/// Weights as the checkpoint has them, read when an op needs them.
class CheckpointWeights : public WeightSource {
public:
  explicit CheckpointWeights(const Checkpoint &checkpoint) : checkpoint(checkpoint) {}
  llvm::Expected<Tensor> read(const Value &weight) override {
    const WeightTensor *source = checkpoint.find(weight.name);
    assert(source && "expansion declared weights that the checkpoint has");
    Tensor t{weight.type.element, {}, std::vector<float>(weight.type.numElements())};
    for (Dim d : weight.type.shape)
      t.shape.push_back(d.number());
    TRY(source->readFloats(0, t.rows(), t.data));
    return t;
  }

private:
  const Checkpoint &checkpoint;
};

/// The step that a compiled library computes, and the same for the interpreter.
struct StepInput {
  EvalStep eval;
  std::vector<int32_t> queryStart = {0}, contextLen, blockTable;
  rt::Step step() {
    rt::Step s;
    s.numTokens = int32_t(eval.tokens.size());
    s.numSeqs = int32_t(contextLen.size());
    s.numLogits = int32_t(eval.logitRows.size());
    s.tokens = eval.tokens.data();
    s.positions = eval.positions.data();
    s.queryStart = queryStart.data();
    s.contextLen = contextLen.data();
    s.blockTable = blockTable.data();
    s.blockTableStride = 1; // every sequence here fits a block
    s.logitRows = eval.logitRows.data();
    return s;
  }
};

/// `count` new tokens of every sequence after `before[s]` that it has.
StepInput makeStep(llvm::ArrayRef<int32_t> before, llvm::ArrayRef<int32_t> count, int64_t vocab, std::mt19937 &rng) {
  StepInput in;
  for (size_t s = 0; s < before.size(); ++s) {
    for (int32_t i = 0; i < count[s]; ++i) {
      in.eval.tokens.push_back(int32_t(rng() % uint64_t(vocab)));
      in.eval.positions.push_back(before[s] + i);
      in.eval.sequences.push_back(int32_t(s));
    }
    in.queryStart.push_back(int32_t(in.eval.tokens.size()));
    in.contextLen.push_back(before[s] + count[s]);
    in.blockTable.push_back(int32_t(before.size() - 1 - s)); // not in order of the sequences
    in.eval.logitRows.push_back(in.queryStart.back() - 1);
  }
  return in;
}

float readScalar(Scalar scalar, const std::byte *at, int64_t i) {
  if (scalar == Scalar::F32) {
    float v;
    std::memcpy(&v, at + 4 * i, 4);
    return v;
  }
  uint16_t half;
  std::memcpy(&half, at + 2 * i, 2);
  return scalar == Scalar::F16 ? floatFromHalf(half) : floatFromBfloat(half);
}

/// A kernel's result as floats. A row of quantized activations is codes, padded to a cache line, and scales.
std::vector<float> readValue(const Type &type, const std::byte *at, int64_t rows) {
  int64_t columns = type.dim(-1).number(), stride = int64_t(rowBytes(type.element, columns));
  std::vector<float> out(rows * columns);
  for (int64_t r = 0; r < rows; ++r, at += stride)
    for (int64_t c = 0; c < columns; ++c) {
      if (!type.element.isQuantized()) {
        out[r * columns + c] = readScalar(type.element.scalar(), at, c);
        continue;
      }
      int64_t scales = (columns + 63) / 64 * 64;
      out[r * columns + c] =
          float(int8_t(at[c])) * readScalar(Scalar::F32, at + scales, c / type.element.quant().group);
    }
  return out;
}

/// What a result may differ by, relative to its root mean square: its type's rounding, and for attention that of the
/// probabilities, which kernels keep in the cache's type.
double toleranceOf(const Op &op, const Value &result) {
  auto rounding = [](const ElementType &e) {
    if (e.isQuantized())
      return 2e-2; // a code more or less where a value lies between two
    return e.scalar() == Scalar::BF16 ? 1e-2 : e.scalar() == Scalar::F16 ? 2e-3 : 2e-5;
  };
  double tolerance = rounding(result.type.element);
  if (auto *attention = llvm::dyn_cast<PagedAttention>(&op))
    tolerance = std::max(tolerance, rounding(attention->kvType));
  for (Use *use : op.operands()) // bfloat16 matmuls may accumulate in another order than float32 ones
    if (!use->get()->isWeight() && !use->get()->type.element.isQuantized())
      tolerance = std::max(tolerance, rounding(use->get()->type.element) / 10);
  return tolerance;
}

double relativeDifference(llvm::ArrayRef<float> got, llvm::ArrayRef<float> want) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    difference += (double(got[i]) - want[i]) * (double(got[i]) - want[i]);
    size += double(want[i]) * want[i];
  }
  double relative = std::sqrt(difference / (size > 0 ? size : 1));
  return std::isnan(relative) ? INFINITY : relative;
}

class Verifier {
public:
  explicit Verifier(const VerifyInput &input) : input(input), weights(*input.checkpoint) {}
  ~Verifier() {
    executor.reset();
    if (library)
      dlclose(library);
  }

  llvm::Expected<VerifyReport> run() {
    TRY(load());
    std::mt19937 rng(1);
    int64_t vocab = input.plan->vocabSize;
    StepInput prompt = makeStep({0, 0}, {9, 5}, vocab, rng), decode = makeStep({9, 5}, {1, 1}, vocab, rng);
    TRY(check(prompt));
    TRY(check(decode));
    return report;
  }

private:
  Error load() {
    llvm::SmallString<128> path;
    if (std::error_code ec = llvm::sys::fs::createTemporaryFile("sinter", "so", path))
      return llvm::createFileError(path, ec);
    auto remove = llvm::make_scope_exit([&] { llvm::sys::fs::remove(path); });
    auto compiler = llvm::sys::findProgramByName(input.compiler);
    if (!compiler)
      return llvm::createFileError(input.compiler, compiler.getError());
    std::vector<std::string> arguments = {*compiler, "-shared", "-o", path.str().str()};
    llvm::append_range(arguments, input.objects);
    TRY(runProgram(arguments, "link of the step"));
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    auto *plan = library ? static_cast<const rt::Plan *>(dlsym(library, "sinterPlan")) : nullptr;
    if (!plan)
      return llvm::createStringError(llvm::Twine("--verify: ") + dlerror());
    TRY(toError(rt::checkMachine(*plan)));
    auto pool = rt::ThreadPool::create(int(input.threads), plan->scratchBytes);
    TRY(toError(pool));
    auto payload = rt::Payload::open(input.payload);
    TRY(toError(payload));
    auto packed = rt::Weights::read(*payload, **pool);
    TRY(toError(packed));
    auto created = rt::CpuExecutor::create(*plan, std::move(*pool), std::move(*packed));
    TRY(toError(created));
    executor = std::move(*created);
    return Error::success();
  }

  Error check(StepInput &in) {
    TRY(record(in));
    Evaluator evaluator(*input.step, weights, kv);
    std::vector<Tensor> parameters;
    for (auto &p : input.step->params()) {
      const std::vector<int32_t> &ints = p->name == "positions" ? in.eval.positions : in.eval.tokens;
      parameters.push_back({Scalar::I32, {int64_t(ints.size())}, {ints.begin(), ints.end()}});
    }
    evaluator.onOp = [&](const Op &op) { return compare(evaluator, op); };
    return evaluator.run(in.eval, std::move(parameters));
  }

  /// Runs the compiled step and keeps every result of every launch.
  Error record(StepInput &in) {
    compiled.clear();
    rt::Step step = in.step();
    size_t index = 0;
    executor->observe([&](const rt::Launch &launch, const rt::Args &args, const rt::Step &) {
      const CpuKernelLaunch &planned = input.plan->launches[index++];
      auto results = planned.op->results();
      for (size_t r = 0; r < results.size(); ++r) {
        const Type &type = results[r]->type;
        int64_t rows = type.dim(0).resolve(step.numTokens, step.numLogits);
        auto *at = args.get<const std::byte>(int32_t(launch.numArgs - int32_t(results.size() - r)));
        compiled[results[r].get()] = readValue(type, at, rows);
      }
    });
    std::vector<rt::SampleRow> rows(size_t(step.numLogits)); // no tokens
    auto ran = executor->start(step, rows, false);
    executor->observe(nullptr);
    TRY(toError(ran));
    return toError(executor->finish());
  }

  /// Holds an op's compiled results to the interpreter's, and lets what follows start from the compiled ones.
  Error compare(Evaluator &evaluator, const Op &op) {
    for (size_t r = 0; r < op.results().size(); ++r) {
      auto found = compiled.find(&op.result(r));
      if (found == compiled.end())
        continue; // a constant
      double tolerance = toleranceOf(op, op.result(r));
      double difference = relativeDifference(found->second, evaluator.result(op, r).data);
      if (difference > tolerance)
        return llvm::createStringError(
            llvm::formatv("--verify: layer {0}, {1}: {2} differs from the interpreter by {3} of its root mean square, "
                          "allowed are {4}",
                          op.layer, str(op), op.result(r).str(), difference, tolerance)
                .str());
      if (difference / tolerance > report.largest) {
        report.largest = difference / tolerance;
        report.where = str(op);
      }
      evaluator.result(op, r).data = found->second;
    }
    report.launches += !op.isConstant();
    return Error::success();
  }

  const VerifyInput &input;
  CheckpointWeights weights;
  KvState kv;
  void *library = nullptr;
  std::unique_ptr<rt::CpuExecutor> executor;
  std::unordered_map<const Value *, std::vector<float>> compiled;
  VerifyReport report;
};

} // namespace

llvm::Expected<VerifyReport> verifyCompiled(const VerifyInput &input) { return Verifier(input).run(); }

} // namespace sinter
