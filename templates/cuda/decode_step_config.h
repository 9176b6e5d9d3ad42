// SPDX-License-Identifier: Apache-2.0
// What the resident decode step of one sequence is specialised for, and where things lie: in shared memory, and in
// the exchange, the global memory through which multiprocessors hand each other activations. Plain C++20.
#pragma once
#include "templates/cuda/chip.h"
#include "templates/cuda/layout.h"

namespace sinter::cuda {

/// The matmuls of a layer in their order.
enum class StepOp : unsigned char { Qkv, O, GateUp, Down };
inline constexpr int stepOps = 4;

/// One token of one sequence from its embedding to the last layer's output: pre-norm layers of attention and SwiGLU, as
/// matvec_config.h and attention_decode_config.h have them. All SMs run all operations; a table says which tiles of
/// each are whose.
struct DecodeStepConfig {
  int layers = 0;
  int hidden = 0;
  int inner = 0;
  int heads = 0;
  int kvHeads = 0;
  int headDim = 0; ///< 64 or 128
  int vocab = 0;
  bool qkNorm = false;
  float scale = 0; ///< of attention's logits
  float eps = 1e-6f;
  int sms = 132;

  // How it runs. tuned() fills what is 0.
  int slots = 0;       ///< of the ring, 16 KiB each
  int outstanding = 0; ///< copies in flight
  int preload = 0;     ///< chunks of weights that wait in registers for activations
  int ahead = 0;       ///< chunks of weights behind those of the ring that are brought to L2
  int pace = 0;        ///< clocks between two of these

  static constexpr int warps = 8;     ///< that consume
  static constexpr int finishers = 3; ///< warps that finish tiles
  static constexpr int chunkBlocks = 8;
  static constexpr int chunkBytes = chunkBlocks * blockBytes;

  constexpr int group() const { return heads / kvHeads; }
  constexpr int attention() const { return heads * headDim; }
  constexpr int qkvColumns() const { return (heads + 2 * kvHeads) * headDim; }

  constexpr int columns(StepOp op) const { return op == StepOp::O ? attention() : op == StepOp::Down ? inner : hidden; }
  constexpr int rows(StepOp op) const {
    return op == StepOp::Qkv ? qkvColumns() : op == StepOp::GateUp ? 2 * inner : hidden;
  }
  constexpr int blocks(StepOp op) const { return blocksOf(columns(op)); }
  constexpr int chunks(StepOp op) const { return blocks(op) / chunkBlocks; } ///< of a tile
  constexpr int tiles(StepOp op) const { return ceilDiv(rows(op), tileRows); }
  constexpr long long layerBytes() const {
    long long bytes = 0;
    for (int op = 0; op < stepOps; ++op)
      bytes += (long long)tiles(StepOp(op)) * blocks(StepOp(op)) * blockBytes;
    return bytes;
  }
  constexpr int mostChunks() const {
    int most = 0;
    for (int op = 0; op < stepOps; ++op)
      most = chunks(StepOp(op)) > most ? chunks(StepOp(op)) : most;
    return most;
  }

  // Attention: SMs that share the keys, and what they leave of a head.
  constexpr int attentionSms() const { return sms < 16 * kvHeads ? sms : 16 * kvHeads; }
  static constexpr int maxParts = 18;
  /// Slots of the ring that a head's block of keys and values takes.
  constexpr int unitSlots() const { return 2 * kvHeadBytes(headDim) / chunkBytes; }

  // The exchange, in words of two bfloat16 or one float. A word that is 0 is not there yet. A kind of activation has
  // `buffers` places, which layers take in turn; what all SMs read has `replicas` in each, since one line of L2 serves
  // so many one after another.
  constexpr int buffers() const {
    int n = 4;
    while (layers % n)
      ++n;
    return n;
  }
  static constexpr int replicas = 4;
  constexpr int middleAt() const { return 0; }                             ///< after attention
  constexpr int outAt() const { return middleAt() + hidden / 2; }          ///< of the layer
  constexpr int attendedAt() const { return outAt() + hidden / 2; }        ///< attention's output
  constexpr int innerAt() const { return attendedAt() + attention() / 2; } ///< after SwiGLU
  constexpr int replicaWords() const { return innerAt() + inner / 2; }
  constexpr int qkvAt() const { return replicas * replicaWords(); }    ///< q, k, v
  constexpr int partsAt() const { return qkvAt() + qkvColumns() / 2; } ///< [SM][2] partial heads
  /// Of a partial head: sums; then maximum and weight of each.
  constexpr int partWords() const { return ceilDiv(group() * (headDim + 2), 4) * 4; }
  constexpr int bufferWords() const { return ceilDiv(partsAt() + sms * 2 * partWords(), 32) * 32; }
  constexpr int embeddedAt() const { return buffers() * bufferWords(); } ///< [replica]
  constexpr int exchangeWords() const { return embeddedAt() + replicas * (hidden / 2); }

  // Shared memory, bytes.
  static constexpr int sumWords = warps * tileRows;      ///< partial sums of a tile
  static constexpr int rounds = 2;                       ///< of sums, a tile a finisher, that may be under way
  static constexpr int sliceBytes() { return 256 + 32; } ///< weights of 16 tokens for 8 heads, and their maxima
  static constexpr int weightBytes() { return 2 * 2 * kvBlockTokens / 16 * sliceBytes(); }
  constexpr int queryBytes() const { return 8 * headDim * 2; }
  constexpr int addedBytes() const { return 2 * headDim * 2; } ///< the new key and value
  constexpr int tableBytes() const { return layers * 7 * 8; }
  constexpr int queryAt() const { return slots * chunkBytes; }
  constexpr int addedAt() const { return queryAt() + queryBytes(); }
  constexpr int weightsAt() const { return addedAt() + addedBytes(); }
  constexpr int activationsAt() const { return weightsAt() + weightBytes(); } ///< [warp][chunk]
  /// Of a warp in a chunk, 32 words; apart so that those of four chunks are stored at once without a bank conflict.
  static constexpr int activationBytes() { return 128 + 32; }
  constexpr int sumsAt() const { return activationsAt() + warps * mostChunks() * activationBytes(); }
  constexpr int squaresAt() const { return sumsAt() + rounds * finishers * sumWords * 4; }
  constexpr int tableAt() const { return squaresAt() + warps * 128; }
  constexpr int barriersAt() const { return tableAt() + tableBytes(); }
  constexpr int tokenAt() const { return ceilDiv(barriersAt() + (2 * slots + 2 * rounds + 2) * 8, 16) * 16; }
  constexpr int sharedBytes() const { return tokenAt() + tokenBytes; }
  static constexpr int tokenBytes = 48; ///< of StepToken, and the number of tiles of each operation

  constexpr bool valid() const {
    constexpr int multiple = chunkBlocks * blockColumns;
    bool shape = layers >= 4 && hidden % multiple == 0 && inner % multiple == 0 && attention() % multiple == 0 &&
                 kvHeads > 0 && heads % kvHeads == 0 && group() <= 8 && (headDim == 64 || headDim == 128);
    // An SM without a tile of these would run ahead of the others.
    bool enough = tiles(StepOp::Qkv) >= sms && tiles(StepOp::GateUp) >= sms;
    bool run = slots >= preload && slots >= 4 && outstanding >= 1 && outstanding <= slots && preload >= 1 && ahead >= 0;
    return shape && enough && run && sharedBytes() <= sharedPerBlock;
  }
  constexpr int threads() const { return (warps + finishers + 1) * 32; }
  constexpr int blocksPerSm() const { return 1; }
  constexpr int grid() const { return sms; }
  constexpr int cluster() const { return 1; }
  constexpr long long workspaceBytes() const { return 0; }
  constexpr long long exchangeBytes() const { return 4ll * exchangeWords(); }
  constexpr int counters() const { return 0; }
  template <typename V>
  constexpr void visit(V &&v) const {
    v("layers", layers);
    v("hidden", hidden);
    v("inner", inner);
    v("heads", heads);
    v("kvHeads", kvHeads);
    v("headDim", headDim);
    v("vocab", vocab);
    v("qkNorm", qkNorm);
    v("scale", scale);
    v("eps", eps);
    v("sms", sms);
    v("slots", slots);
    v("outstanding", outstanding);
    v("preload", preload);
    v("ahead", ahead);
    v("pace", pace);
  }
};

/// Bytes of a layer's weights beyond which its steps from SM to SM are too small a part of it to be worth a kernel.
inline constexpr long long longLayer = 256 << 20;

/// Fills in how a configuration runs: with the deepest ring that fits. Layers that are short wait for activations most
/// of the time, and polls are fast with little in flight.
constexpr DecodeStepConfig tuned(DecodeStepConfig c) {
  c.outstanding = c.outstanding ? c.outstanding : c.layerBytes() < (64 << 20) ? 2 : 3;
  c.preload = c.preload ? c.preload : 6;
  if (!c.pace)
    c.ahead = 8, c.pace = 800;
  if (!c.slots)
    for (c.slots = 12; c.slots > 1 && c.sharedBytes() > sharedPerBlock;)
      --c.slots;
  return c;
}

} // namespace sinter::cuda
