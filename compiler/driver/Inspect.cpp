// SPDX-License-Identifier: Apache-2.0
// Reading the payload, and tables.
#include "compiler/driver/Inspect.h"
#include "compiler/driver/RuntimeError.h"
#include "ir/Try.h"
#include "runtime/support/Payload.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <map>

namespace sinter {

namespace {

using llvm::Error;
using llvm::formatv;

bool isModel(llvm::StringRef path) {
  llvm::StringRef extension = llvm::sys::path::extension(path);
  return llvm::sys::fs::is_directory(path) || extension == ".gguf" || extension == ".json";
}

llvm::Expected<std::string> readSection(const rt::Payload &payload, std::string_view name) {
  const rt::PayloadSection *section = payload.find(name);
  if (!section)
    return llvm::createStringError(payload.path() + ": the payload has no section '" + std::string(name) + "'");
  auto bytes = payload.map(*section);
  TRY(toError(bytes));
  return std::string(reinterpret_cast<const char *>(bytes->bytes().data()), bytes->bytes().size());
}

/// "memory.weights  8044936192", for every value that is no object.
void printJson(const llvm::json::Object &object, const std::string &prefix, llvm::raw_ostream &os) {
  std::map<std::string, const llvm::json::Value *> sorted;
  for (auto &[key, value] : object)
    sorted[key.str()] = &value;
  for (auto &[key, value] : sorted)
    if (const llvm::json::Object *nested = value->getAsObject())
      printJson(*nested, prefix + key + ".", os);
    else
      os << "  " << llvm::left_justify(prefix + key, 32)
         << (value->getAsString() ? value->getAsString()->str() : formatv("{0}", *value).str()) << '\n';
}

llvm::Expected<PlanRecord> readExecutable(llvm::StringRef path, llvm::raw_ostream &os) {
  auto payload = rt::Payload::open(path.str());
  TRY(toError(payload));
  TRY_ASSIGN(info, readSection(*payload, "info"));
  auto json = llvm::json::parse(info);
  if (!json || !json->getAsObject())
    return llvm::createStringError(
        path + ": section 'info': " + (json ? "expected an object" : llvm::toString(json.takeError())));
  printJson(*json->getAsObject(), "", os);
  for (const rt::PayloadSection &section : payload->sections())
    os << "  " << llvm::left_justify("payload." + std::string(section.name), 32) << section.size << " bytes\n";
  os << '\n';
  TRY_ASSIGN(text, readSection(*payload, "plan"));
  return planRecordFromJson(text, path);
}

/// "36 in decode 1,2,4; 1 in head 1": which lists launch a kernel, and how often.
std::string usesOf(const PlanRecord &plan, int64_t kernel) {
  std::string uses, last;
  for (const LaunchListRecord &list : plan.lists) {
    auto count = llvm::count_if(list.launches, [&](const LaunchRecord &l) { return l.kernel == kernel; });
    if (!count)
      continue;
    std::string place = formatv("{0} in {1} ", count, list.kind).str();
    uses += (place == last ? "," : (uses.empty() ? "" : "; ") + place) + std::to_string(list.maxRows);
    last = place;
  }
  return uses;
}

std::string numberOrDash(int64_t n) { return n < 0 ? "-" : std::to_string(n); }

void printKernels(const PlanRecord &plan, llvm::raw_ostream &os) {
  bool onGpu = llvm::any_of(plan.kernels, [](const KernelRecord &k) { return k.threads >= 0; });
  os << formatv("{0,-36}", "kernel");
  if (onGpu)
    os << formatv("{0,8} {1,10} {2,8} {3,7}", "threads", "registers", "shared", "spills");
  os << "  launches\n";
  for (auto [i, k] : llvm::enumerate(plan.kernels)) {
    os << formatv("  {0,-34}", k.name);
    if (onGpu)
      os << formatv("{0,8} {1,10} {2,8} {3,7}", numberOrDash(k.threads), numberOrDash(k.registers),
                    numberOrDash(k.dynamicShared + std::max<int64_t>(k.staticShared, 0)), numberOrDash(k.spillBytes));
    os << "  " << usesOf(plan, int64_t(i)) << '\n';
  }
}

/// Rows of the table of launches: all of a step, or those of one kernel together.
class LaunchTable {
public:
  LaunchTable(const PlanRecord &plan, std::optional<DeviceRates> device, llvm::raw_ostream &os)
      : plan(plan), device(device), os(os) {}

  void print(llvm::ArrayRef<StepLaunch> launches, bool every) {
    row("launches", "kernel", "MB", "GFLOP", "us", "for");
    if (every)
      for (const StepLaunch &l : launches)
        add(l.launch, 1, l.cost, device ? l.cost.seconds(*device) : 0);
    else
      for (const Group &g : groups(launches))
        add(g.first, g.count, g.cost, g.seconds);
    Cost total;
    double seconds = 0;
    for (const StepLaunch &l : launches) {
      total.bytes += l.cost.bytes;
      total.flops += l.cost.flops;
      seconds += device ? l.cost.seconds(*device) : 0;
    }
    row(std::to_string(launches.size()), "total", mega(total.bytes), giga(total.flops), micro(seconds), "");
  }

private:
  struct Group {
    const LaunchRecord *first;
    size_t count = 0;
    Cost cost;
    double seconds = 0;
  };

  std::vector<Group> groups(llvm::ArrayRef<StepLaunch> launches) const {
    std::vector<Group> all;
    std::map<int64_t, size_t> indexOf;
    for (const StepLaunch &l : launches) {
      auto [it, isNew] = indexOf.try_emplace(l.launch->kernel, all.size());
      if (isNew)
        all.push_back({l.launch, 0, {}, 0});
      Group &g = all[it->second];
      g.count += 1;
      g.cost.bytes += l.cost.bytes;
      g.cost.flops += l.cost.flops;
      g.seconds += device ? l.cost.seconds(*device) : 0;
    }
    return all;
  }

  void add(const LaunchRecord *l, size_t count, const Cost &cost, double seconds) {
    row(std::to_string(count), plan.kernels[size_t(l->kernel)].name, mega(cost.bytes), giga(cost.flops), micro(seconds),
        l->op);
  }

  void row(llvm::StringRef count, llvm::StringRef kernel, llvm::StringRef megabytes, llvm::StringRef gigaflops,
           llvm::StringRef microseconds, llvm::StringRef op) {
    std::string line =
        formatv("{0,8}  {1,-34}{2,12} {3,12} {4,10}  {5}", count, kernel, megabytes, gigaflops, microseconds, op).str();
    os << llvm::StringRef(line).rtrim() << '\n';
  }

  static std::string mega(double bytes) { return formatv("{0:f3}", bytes / 1e6).str(); }
  static std::string giga(double flops) { return formatv("{0:f3}", flops / 1e9).str(); }
  std::string micro(double seconds) const { return device ? formatv("{0:f2}", seconds * 1e6).str() : "-"; }

  const PlanRecord &plan;
  std::optional<DeviceRates> device;
  llvm::raw_ostream &os;
};

} // namespace

Error inspect(const InspectOptions &options, llvm::raw_ostream &os) {
  const std::string &path = options.compile.model;
  std::optional<DeviceRates> device;
  if (!options.device.empty()) {
    TRY_ASSIGN(rates, parseDevice(options.device));
    device = rates;
  }
  TRY_ASSIGN(plan, isModel(path) ? planOf(options.compile) : readExecutable(path, os));
  if (!device && plan.target == "cuda:sm_90a")
    device = llvm::cantFail(parseDevice("h200"));
  os << plan.model << " for " << plan.target << '\n';
  printKernels(plan, os);

  const StepShape &shape = options.shape;
  TRY_ASSIGN(launches, launchesOf(plan, shape));
  os << formatv("\na step of {0} sequences, {1} new tokens and a context of {2} each", shape.sequences,
                shape.tokensEach, shape.context);
  if (device)
    os << formatv("; floors at {0:f2} TB/s and {1:f0} TFLOP/s", device->bytesPerSecond / 1e12,
                  device->flopsPerSecond / 1e12);
  os << '\n';
  LaunchTable(plan, device, os).print(launches, options.everyLaunch);
  return Error::success();
}

} // namespace sinter
