// Times come in UTC and are shown in the reader's zone, which the page names once.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const steps = [["minute", 60], ["hour", 3600], ["day", 86400]];

function ago(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, size] = steps.findLast(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  return Math.abs(seconds) > 30 * 86400 ? "" : ` · ${relative.format(Math.round(seconds / size), unit)}`;
}

export function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    element.textContent = short.format(moment) + ago(moment);
    element.title = full.format(moment);
  }
  for (const element of root.querySelectorAll("[data-zone]")) element.textContent = zone;
}
