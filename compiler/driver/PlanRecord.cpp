// SPDX-License-Identifier: Apache-2.0
// Records to JSON and back. A launch is an array, in the order of its members: there are thousands.
#include "compiler/driver/PlanRecord.h"
#include "ir/Try.h"
#include "llvm/Support/FormatVariadic.h"

namespace sinter {

namespace json = llvm::json;

// LLVM finds these by the records' namespace.

static json::Value toJSON(const KernelRecord &k) {
  return json::Object{{"name", k.name},
                      {"threads", k.threads},
                      {"registers", k.registers},
                      {"static_shared", k.staticShared},
                      {"dynamic_shared", k.dynamicShared},
                      {"spill_bytes", k.spillBytes}};
}

static bool fromJSON(const json::Value &value, KernelRecord &k, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("name", k.name) && map.map("threads", k.threads) && map.map("registers", k.registers) &&
         map.map("static_shared", k.staticShared) && map.map("dynamic_shared", k.dynamicShared) &&
         map.map("spill_bytes", k.spillBytes);
}

static json::Value toJSON(const LaunchRecord &l) {
  return json::Array{l.kernel,   l.op,           l.layer,    l.grid,     l.weightBytes,
                     l.rowBytes, l.contextBytes, l.rowFlops, l.pairFlops};
}

static bool fromJSON(const json::Value &value, LaunchRecord &l, json::Path path) {
  const json::Array *a = value.getAsArray();
  if (!a || a->size() != 9) {
    path.report("expected an array of 9");
    return false;
  }
  auto read = [&](size_t i, auto &member) { return json::fromJSON((*a)[i], member, path.index(unsigned(i))); };
  return read(0, l.kernel) && read(1, l.op) && read(2, l.layer) && read(3, l.grid) && read(4, l.weightBytes) &&
         read(5, l.rowBytes) && read(6, l.contextBytes) && read(7, l.rowFlops) && read(8, l.pairFlops);
}

static json::Value toJSON(const LaunchListRecord &l) {
  return json::Object{{"kind", l.kind}, {"max_rows", l.maxRows}, {"launches", l.launches}};
}

static bool fromJSON(const json::Value &value, LaunchListRecord &l, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("kind", l.kind) && map.map("max_rows", l.maxRows) && map.map("launches", l.launches);
}

static json::Value toJSON(const PlanRecord &p) {
  return json::Object{{"model", p.model}, {"target", p.target}, {"kernels", p.kernels}, {"lists", p.lists}};
}

static bool fromJSON(const json::Value &value, PlanRecord &p, json::Path path) {
  json::ObjectMapper map(value, path);
  if (!map || !map.map("model", p.model) || !map.map("target", p.target) || !map.map("kernels", p.kernels) ||
      !map.map("lists", p.lists))
    return false;
  for (const LaunchListRecord &list : p.lists)
    for (const LaunchRecord &launch : list.launches)
      if (launch.kernel < 0 || launch.kernel >= int64_t(p.kernels.size())) {
        path.field("lists").report("a launch of a kernel that is not there");
        return false;
      }
  return true;
}

size_t PlanRecord::numLaunches() const {
  size_t count = 0;
  for (const LaunchListRecord &list : lists)
    count += list.launches.size();
  return count;
}

const LaunchListRecord *PlanRecord::find(llvm::StringRef kind, int64_t rows) const {
  for (const LaunchListRecord &list : lists)
    if (list.kind == kind && list.maxRows >= rows)
      return &list;
  return nullptr;
}

std::string toJsonText(const PlanRecord &plan) { return llvm::formatv("{0}", toJSON(plan)).str(); }

llvm::Expected<PlanRecord> planRecordFromJson(llvm::StringRef text, llvm::StringRef origin) {
  auto value = json::parse(text);
  if (!value)
    return llvm::createStringError(origin + ": section 'plan': " + llvm::toString(value.takeError()));
  PlanRecord plan;
  json::Path::Root root("plan");
  if (!fromJSON(*value, plan, root))
    return llvm::createStringError(origin + ": section 'plan': " + llvm::toString(root.getError()));
  return plan;
}

} // namespace sinter
