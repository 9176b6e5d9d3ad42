// SPDX-License-Identifier: Apache-2.0
// soak: whether a machine and this executable stay right under random load.
#include "runtime/cli/Command.h"
#include "runtime/cli/Flags.h"
#include "runtime/cli/Soak.h"
#include "runtime/support/Format.h"
#include <CLI/CLI.hpp>

namespace sinter::rt {
namespace {

struct SoakFlags {
  DeviceFlags device;
  SoakOptions options;
};

Result<int> runSoak(const SoakFlags &flags, Model &model, Console &console) {
  Result<std::unique_ptr<Executor>> executor = model.makeExecutor(flags.device);
  if (!executor)
    return tl::unexpected(executor.error());
  std::unique_ptr<Profiler> profiler = model.makeProfiler(**executor);
  Result<SoakReport> report = soak(flags.options, **executor, *profiler);
  if (!report)
    return failInternal(report.error().message);
  const EngineStats &stats = report->stats;
  auto ended = [&stats](FinishReason reason) { return stats.finished[static_cast<size_t>(reason)]; };
  console.out << "steps        " << stats.steps << ", " << stats.computedTokens << " tokens computed, "
              << stats.generatedTokens << " of them chosen\nrequests     " << stats.submitted << ": "
              << ended(FinishReason::Length) << " to their end, " << ended(FinishReason::Cancelled)
              << " cancelled\nKV cache     " << stats.preemptions << " preemptions, " << stats.prefixHitTokens
              << " tokens of prefixes found, " << stats.evictedBlocks << " of " << stats.blocksTotal
              << " blocks evicted, none lost\nmemory       " << formatBytes(report->usedEarly)
              << " in use after a tenth of the steps";
  if (report->graphs > 0)
    console.out << ", with all " << report->graphs << " graphs";
  console.out << ", " << formatBytes(report->usedLate) << " after all\n";
  return exitOk;
}

} // namespace

void addSoakCommand(CLI::App &app, Action &chosen) {
  auto flags = std::make_shared<SoakFlags>();
  CLI::App *command = app.add_subcommand("soak", "Run random requests and check that nothing is lost or goes wrong");
  command->add_option("--steps", flags->options.steps, "Steps of the engine")
      ->check(CLI::Range(1, INT32_MAX))
      ->option_text("N [10000]");
  command->add_option("--seed", flags->options.seed, "Another one gives other requests")->option_text("N [1]");
  addDeviceFlags(*command, flags->device);
  command->footer(
      "Memory in use (of a GPU: by all its processes) is compared after a tenth of the steps and at the "
      "end; growth of more than " +
      formatBytes(soakGrowthAllowed) +
      " is an error. By the first time steps of all sizes have run, and every graph of a GPU that a step can "
      "need has been built, so that none counts as growth. On a CPU keys and values count where they are "
      "first written later.");
  command->callback([flags, &chosen] {
    chosen = [flags](Model &model, Console &console) { return runSoak(*flags, model, console); };
  });
}

} // namespace sinter::rt
