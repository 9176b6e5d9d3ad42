// SPDX-License-Identifier: Apache-2.0
// What every op is made of. An op is one struct deriving from OpImpl whose members register themselves:
//
//   struct RmsNorm : OpImpl<RmsNorm> {
//     static constexpr llvm::StringLiteral Mnemonic = "rms_norm";
//     Operand x{*this, "x"}, weight{*this, "weight"};
//     Attr<double> eps{*this, "eps", 1e-6};
//     ...
//   };
//
// Printer, parser, verifier, clone, CSE and interpreter loop over `members()`; there is no second list to keep.
#pragma once
#include "ir/AttrValue.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/iterator_range.h"
#include "llvm/Support/Casting.h"
#include <list>
#include <memory>
#include <optional>

namespace sinter {

class Evaluator;
class Graph;
class Module;
class Op;
class Use;

/// Where an op was written: "models/llama.sir", 17. The file name is owned by the module.
struct Location {
  llvm::StringRef file;
  unsigned line = 0; ///< 0: nobody wrote it
  /// "models/llama.sir:17", or nothing
  std::string str() const { return line ? file.str() + ":" + std::to_string(line) : ""; }
};

/// A value: an op's result, a graph's parameter, or a weight of the module.
class Value {
public:
  enum class Kind { Result, Param, Weight };
  Value(Kind kind, Type type, std::string name, Op *def = nullptr)
      : kind(kind), type(std::move(type)), name(std::move(name)), op(def) {}
  Value(const Value &) = delete;
  ~Value() { assert(users.empty() && "a value dies while it is used"); }

  Kind kind;
  Type type;
  std::string name;    ///< without % or @
  Location loc;        ///< of a weight: where the description asked for it
  int64_t offset = -1; ///< bytes into the activation arena, set by plan-memory; -1: none

  Op *def() const { return op; } ///< null for parameters and weights
  bool isWeight() const { return kind == Kind::Weight; }
  llvm::ArrayRef<Use *> uses() const { return users; }
  bool hasOneUse() const { return users.size() == 1; }
  void replaceAllUsesWith(Value &other);
  /// "%q.3" or "@model.norm.weight"
  std::string str() const { return (isWeight() ? "@" : "%") + name; }

private:
  friend class Use;
  Op *op;
  llvm::SmallVector<Use *, 2> users;
};

/// One edge of the graph: the value that a slot of an op (or a graph's return) refers to.
class Use {
public:
  Use(Op *owner, Value *v) : owner(owner) { set(v); }
  Use(const Use &) = delete;
  ~Use() { set(nullptr); }
  void set(Value *v);
  Value *get() const { return value; }
  Op *const owner; ///< null for a graph's return

private:
  Value *value = nullptr;
};

/// A registered member of an op: operands or an attribute.
class OpMember {
public:
  enum class Kind { Operand, OperandList, NamedOperands, Attr };
  const Kind kind;
  const llvm::StringLiteral name;
  OpMember(const OpMember &) = delete;

protected:
  OpMember(Op &op, Kind kind, llvm::StringLiteral name);
  ~OpMember() = default;
};

/// Operands in a member: exactly one (Operand), one or more that end the positional part (OperandList), or any number
/// in the dictionary (NamedOperands).
class OperandMember : public OpMember {
public:
  llvm::ArrayRef<std::unique_ptr<Use>> uses() const { return slots; }
  size_t size() const { return slots.size(); }
  bool empty() const { return slots.empty(); }
  Value &operator[](size_t i) const { return *slots[i]->get(); }
  void push(Value &v) { slots.push_back(std::make_unique<Use>(&op, &v)); }
  void clear() { slots.clear(); }
  static bool classof(const OpMember *m) { return m->kind != Kind::Attr; }

protected:
  OperandMember(Op &op, Kind kind, llvm::StringLiteral name) : OpMember(op, kind, name), op(op) {}
  Op &op;
  llvm::SmallVector<std::unique_ptr<Use>, 1> slots;
};

class Operand : public OperandMember {
public:
  Operand(Op &op, llvm::StringLiteral name) : OperandMember(op, Kind::Operand, name) {}
  Value &get() const { return (*this)[0]; }
  Value *operator->() const { return &get(); }
  operator Value &() const { return get(); }
  const Type &type() const { return get().type; }
  void set(Value &v) { empty() ? push(v) : slots[0]->set(&v); }
  /// The op of that kind that computes this operand, or null.
  template <typename OpT>
  OpT *definedBy() const {
    return llvm::dyn_cast_or_null<OpT>(get().def());
  }
};

class OperandList : public OperandMember {
public:
  OperandList(Op &op, llvm::StringLiteral name) : OperandMember(op, Kind::OperandList, name) {}
};

class NamedOperands : public OperandMember {
public:
  NamedOperands(Op &op, llvm::StringLiteral name) : OperandMember(op, Kind::NamedOperands, name) {}
};

class AttrBase : public OpMember {
public:
  virtual ~AttrBase() = default;
  virtual bool isDefault() const = 0;
  virtual bool isRequired() const = 0;
  virtual bool isSet() const = 0;
  virtual AttrValue encode() const = 0;
  virtual bool decode(const AttrValue &) = 0;
  virtual llvm::StringRef expected() const = 0;
  static bool classof(const OpMember *m) { return m->kind == Kind::Attr; }

protected:
  AttrBase(Op &op, llvm::StringLiteral name) : OpMember(op, Kind::Attr, name) {}
};

/// An attribute; without a default it must be written.
template <typename T>
class Attr : public AttrBase {
public:
  Attr(Op &op, llvm::StringLiteral name) : AttrBase(op, name), required(true) {}
  Attr(Op &op, llvm::StringLiteral name, T def)
      : AttrBase(op, name), value(def), fallback(std::move(def)), required(false), written(true) {}
  operator const T &() const { return value; }
  const T &operator*() const { return value; }
  const T *operator->() const { return &value; }
  Attr &operator=(T v) {
    value = std::move(v);
    written = true;
    return *this;
  }
  bool isDefault() const override { return !required && value == fallback; }
  bool isRequired() const override { return required; }
  bool isSet() const override { return written; }
  AttrValue encode() const override { return AttrCodec<T>::encode(value); }
  bool decode(const AttrValue &a) override { return AttrCodec<T>::decode(a, value) ? (written = true) : false; }
  llvm::StringRef expected() const override { return AttrCodec<T>::expected; }

private:
  T value{}, fallback{};
  bool required, written = false;
};

using Types = llvm::SmallVector<Type, 2>;

class Op {
public:
  Op(const Op &) = delete;
  virtual ~Op() = default;

  virtual llvm::StringRef mnemonic() const = 0;
  /// The types of the results, from operands and attributes; an error says which operand does not fit, with both sides.
  virtual llvm::Expected<Types> infer() const = 0;
  /// The reference semantics: float32, plain loops, no code shared with any kernel.
  virtual llvm::Error evaluate(Evaluator &) const = 0;
  /// Writes the KV cache: never dead, never merged.
  virtual bool hasSideEffects() const { return false; }
  /// Depends on nothing of the step: computed at compile time and shipped like a weight.
  virtual bool isConstant() const { return false; }

  llvm::ArrayRef<OpMember *> members() const { return memberList; }
  /// Every operand slot, in the order of the members.
  llvm::SmallVector<Use *, 4> operands() const;
  llvm::ArrayRef<std::unique_ptr<Value>> results() const { return resultList; }
  Value &result(size_t i = 0) const { return *resultList[i]; }
  void setResultTypes(llvm::ArrayRef<Type> types); ///< creates or retypes the results

  Graph &graph() const { return *parent; }
  Location loc;
  int layer = -1;     ///< decoder layer it belongs to, -1 outside
  std::string kernel; ///< chosen by select-kernels; empty before

  bool hasNoUses() const;
  /// Builds an op right before this one, with this one's layer and location: positional operands first, then whatever
  /// `setup` sets. The results get `name` (made unique).
  template <typename OpT>
  OpT &insertBefore(llvm::StringRef name, llvm::ArrayRef<Value *> operands,
                    llvm::function_ref<void(OpT &)> setup = nullptr);
  /// The same, in this op's place: the new op takes over results' names and uses; this one is left dead.
  template <typename OpT>
  OpT &replaceWith(llvm::ArrayRef<Value *> operands, llvm::function_ref<void(OpT &)> setup = nullptr);
  /// Fills the positional members in order; the last OperandList takes what is left.
  void setPositional(llvm::ArrayRef<Value *> values);
  /// A copy of this op in `into`, operands mapped.
  Op &cloneInto(Graph &into, llvm::function_ref<Value &(Value &)> map) const;

protected:
  Op() = default;

private:
  friend class Graph;
  friend class OpMember;
  Graph *parent = nullptr;
  std::list<std::unique_ptr<Op>>::iterator self;
  llvm::SmallVector<OpMember *, 6> memberList;
  llvm::SmallVector<std::unique_ptr<Value>, 1> resultList;
};

/// What the registry knows of an op kind.
struct OpInfo {
  llvm::StringRef mnemonic;
  std::unique_ptr<Op> (*create)();
};
/// All op kinds, sorted by mnemonic.
llvm::ArrayRef<OpInfo> registeredOps();
/// A fresh op of that kind, or null when there is none.
std::unique_ptr<Op> createOp(llvm::StringRef mnemonic);

struct OpRegistration {
  OpRegistration(OpInfo info);
};

/// Base of every op: mnemonic, kind test and registration, from the struct itself.
template <typename Derived>
struct OpImpl : Op {
  llvm::StringRef mnemonic() const final {
    (void)&registration; // the vtable needs this function, so every op with an infer() registers
    return Derived::Mnemonic;
  }
  static bool classof(const Op *op) { return op->mnemonic().data() == Derived::Mnemonic.data(); }
  static inline const OpRegistration registration{
      {Derived::Mnemonic, +[]() -> std::unique_ptr<Op> { return std::make_unique<Derived>(); }}};
};

} // namespace sinter
