// SPDX-License-Identifier: Apache-2.0
// Matmuls: by the number of rows, a kernel that streams the weights past all of them, or one that works tile by tile.
#include "codegen/cuda/CudaListBuilder.h"
#include "templates/cuda/matmul_config.h"
#include "templates/cuda/matmul_mma_config.h"
#include "templates/cuda/matmul_tokens_config.h"
#include "templates/cuda/matvec_config.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace {

using llvm::Error;
using llvm::Expected;
using rt::CudaArg;
using rt::CudaArgKind;
using Layout = WeightItem::Layout;
using Launch = CudaListBuilder::Launch;

/// Rows up to which a matmul streams its weights past all of them at once.
constexpr int64_t streamedRows = 16;
/// Rows up to which one that works tile by tile norms its input.
constexpr int64_t normedRows = 256;

/// A linear or swiglu_linear, in the terms of the templates.
struct MatmulOp {
  const Op &op;
  const Value &x;
  llvm::SmallVector<const Value *, 3> weights;
  const NamedOperands &bias, &norm;
  const Value *residual;
  double eps;
  bool swiglu;

  explicit MatmulOp(const Linear &o)
      : op(o), x(o.x.get()), bias(o.bias), norm(o.norm), residual(o.residual.empty() ? nullptr : &o.residual[0]),
        eps(*o.eps), swiglu(false) {
    for (auto &w : o.weights.uses())
      weights.push_back(w->get());
  }
  explicit MatmulOp(const SwigluLinear &o)
      : op(o), x(o.x.get()), weights{&o.gate.get(), &o.up.get()}, bias(o.bias), norm(o.norm), residual(nullptr),
        eps(*o.eps), swiglu(true) {}

  int n() const { return int(columnsOf(op.result())); }
  int k() const { return int(columnsOf(x)); }
  bool givesFloat() const { return op.result().type.element == ElementType(Scalar::F32); }
};

/// A norm's weight can be folded into weights that nothing else reads; a table that is also the embedding cannot.
bool canFold(const MatmulOp &m) {
  return !m.norm.empty() && llvm::all_of(m.weights, [](const Value *w) { return w->hasOneUse(); });
}

bool canLeaveSquares(const Op *op) {
  auto *linear = llvm::dyn_cast_or_null<Linear>(op);
  return llvm::isa_and_nonnull<Embed>(op) || (linear && linear->norm.empty() && !MatmulOp(*linear).givesFloat());
}

/// Whether x comes with the squares of its rows, which is all that a folded norm needs.
bool getsSquares(const CudaListBuilder &list, const MatmulOp &m) {
  bool few = list.native && list.rows > streamedRows && list.rows <= normedRows;
  return few && canFold(m) && canLeaveSquares(m.x.def());
}

/// The OpT that multiplies x, if that is what the use is of.
template <typename OpT>
const OpT *readerOf(const Use &use, const Value &x) {
  auto *reader = llvm::dyn_cast_or_null<OpT>(use.owner);
  return reader && &reader->x.get() == &x ? reader : nullptr;
}

template <typename OpT>
bool normsBySquares(const CudaListBuilder &list, const Use &use, const Value &x) {
  auto *reader = readerOf<OpT>(use, x);
  return reader && getsSquares(list, MatmulOp(*reader));
}

class MatmulSelector {
public:
  MatmulSelector(CudaListBuilder &list, const MatmulOp &m) : list(list), m(m), folds(canFold(m)) {}

  Error run() {
    TRY(checkShape());
    double weightBytes = 0;
    TRY_ASSIGN(stream, weightStream(&weightBytes));
    CudaArg args[9] = {stream, list.value(m.x), list.value(m.op.result())};
    if (!m.norm.empty())
      TRY(norm(args));
    TRY(biases(args));
    if (m.residual)
      args[6] = list.value(*m.residual);
    TRY_ASSIGN(l, list.native ? streams() ? matvec(args) : tiled(args) : portable(args));
    l->weightBytes = weightBytes;
    l->rowBytes = double(rowBytesOf(m.x) + rowBytesOf(m.op.result()) + (m.residual ? rowBytesOf(*m.residual) : 0));
    l->rowFlops = 2.0 * m.k() * double(m.n()) * (m.swiglu ? 2 : 1);
    return Error::success();
  }

private:
  Expected<CudaArg> weightStream(double *bytes = nullptr) const {
    return list.weight(m.swiglu ? Layout::SwigluAtoms : Layout::Atoms, m.weights, bytes, folds ? &m.norm[0] : nullptr);
  }

  /// Weights that share a stream are whole tiles of it, and outputs are stored eight at a time.
  Error checkShape() const {
    for (const Value *w : m.weights) {
      bool stacked = m.weights.size() > 1 && !m.swiglu;
      int64_t rows = w->type.dim(0).number(), multiple = stacked ? cuda::tileRows : 8;
      if (rows % multiple)
        return opError(m.op,
                       llvm::formatv("the cuda target multiplies by weights of a multiple of {0} rows, found {1}: {2}",
                                     multiple, w->str(), w->type));
    }
    if (m.k() % 8)
      return opError(m.op, llvm::formatv("the cuda target multiplies rows of a multiple of 8 columns, found {0}: {1}",
                                         m.x.str(), m.x.type));
    return Error::success();
  }

  bool streams() const { return list.rows <= streamedRows; }

  /// Few rows are normed by the matmul, and so are more whose squares it gets; others have been before.
  bool normsItself() const { return !m.norm.empty() && (streams() || getsSquares(list, m)); }

  Error norm(CudaArg *args) {
    const Value *weight = folds ? nullptr : &m.norm[0];
    if (getsSquares(list, m)) {
      args[3] = list.scratch();
      return Error::success();
    }
    if (!streams()) {
      args[1] = list.scratch();
      return selectNorm(list, m.op, m.x, weight, m.eps, list.scratch());
    }
    if (weight) {
      TRY_ASSIGN(vector, list.vectors({weight}));
      args[3] = vector;
    }
    return Error::success();
  }

  Error biases(CudaArg *args) {
    if (!m.swiglu) {
      TRY_ASSIGN(bias, list.vectors(m.bias));
      args[4] = bias;
    } else if (!m.bias.empty()) {
      TRY_ASSIGN(gate, list.vectors({&m.bias[0]}));
      TRY_ASSIGN(up, list.vectors({&m.bias[1]}));
      args[4] = gate;
      args[5] = up;
    }
    return Error::success();
  }

  template <typename Config>
  Config configOf() const {
    Config c{};
    c.n = m.n();
    c.k = m.k();
    c.tokens = int(list.rows);
    c.epilogue = m.swiglu ? cuda::Epilogue::SwiGlu : m.residual ? cuda::Epilogue::Residual : cuda::Epilogue::None;
    c.out = m.givesFloat() ? cuda::Out::F32 : cuda::Out::Bf16;
    c.bias = !m.bias.empty();
    c.norm = normsItself();
    c.eps = c.norm ? float(m.eps) : c.eps;
    return c;
  }

  /// Of a kernel that can also multiply by the norm's weight.
  template <typename Config>
  Config weightingConfig() const {
    auto c = configOf<Config>();
    c.normWeight = c.norm && !folds;
    return c;
  }

  /// The swiglu_linear that reads the result: launched right after this one.
  const SwigluLinear *follower() const {
    for (const Use *use : m.op.result().uses())
      if (auto *reader = readerOf<SwigluLinear>(*use, m.op.result()))
        return reader;
    return nullptr;
  }

  Launch matvec(llvm::MutableArrayRef<CudaArg> args) {
    auto c = tuned(weightingConfig<cuda::MatvecConfig>(), list.sms());
    if (const SwigluLinear *reader = follower()) {
      MatmulSelector next(list, MatmulOp(*reader));
      c = followedBy(c, tuned(next.weightingConfig<cuda::MatvecConfig>(), list.sms()));
      TRY_ASSIGN(weight, next.weightStream());
      args[7] = weight;
    }
    return list.launch(m.op, m.op.mnemonic(), CudaTemplate{"templates/cuda/matvec.cuh", "matvec", "MatvecConfig"}, c,
                       args.take_front(c.nextTiles ? 8 : 7));
  }

  Launch tiled(llvm::MutableArrayRef<CudaArg> args) {
    auto c = configOf<cuda::MatmulConfig>();
    c.squares = normedBySquares(list, m.op.result());
    if (c.squares)
      args[3] = list.scratch();
    c.sms = list.sms();
    if (auto few = tokensFor(c); few.tileWeights)
      return mapped({"templates/cuda/matmul_tokens.cuh", "matmul", "MatmulTokensConfig"}, few, args);
    c = tuned(c, list.sms());
    if (c.adaptive) // to the rows of a step: one kernel for all such buckets
      c.tokens = list.stepRows();
    return mapped({"templates/cuda/matmul.cuh", "matmul", "MatmulConfig"}, c, args);
  }

  /// A kernel that reads x and the weight through tensor maps.
  template <typename Config>
  Launch mapped(const CudaTemplate &callee, const Config &c, llvm::MutableArrayRef<CudaArg> args) {
    args[7] = list.kernels.tensorMap(args[1], activationMap(c, list.mostRows()));
    args[8] = list.kernels.tensorMap(args[0], weightMap(c));
    return list.launch(m.op, m.op.mnemonic(), callee, c, args);
  }

  Launch portable(llvm::ArrayRef<CudaArg> args) {
    auto c = weightingConfig<cuda::MatmulMmaConfig>();
    c.sharedLimit = list.options.arch->maxSharedBytes;
    c.sms = list.sms();
    return list.launch(m.op, m.op.mnemonic(),
                       CudaTemplate{"templates/cuda/matmul_mma.cuh", "matmulMma", "MatmulMmaConfig"}, tuned(c),
                       args.take_front(7));
  }

  CudaListBuilder &list;
  const MatmulOp m;
  const bool folds; ///< the norm's weight is in the packed weights
};

} // namespace

bool normedBySquares(const CudaListBuilder &list, const Value &x) {
  return llvm::any_of(x.uses(), [&](const Use *use) {
    return normsBySquares<Linear>(list, *use, x) || normsBySquares<SwigluLinear>(list, *use, x);
  });
}

Error selectMatmul(CudaListBuilder &list, const Linear &op) { return MatmulSelector(list, MatmulOp(op)).run(); }
Error selectMatmul(CudaListBuilder &list, const SwigluLinear &op) { return MatmulSelector(list, MatmulOp(op)).run(); }

} // namespace sinter
