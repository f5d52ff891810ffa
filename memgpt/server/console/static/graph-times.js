// A slider beside each time of the form: it sets the field, which is what is sent, and shows the time in the reader's zone.
const text = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const steps = 1000; // the last one is no time at all: any time, and now

export function prepareSliders(form, words) {
  for (const slider of form.querySelectorAll("[data-slider]")) prepare(form, slider, slider.dataset.slider === "at" ? words.now : words.any_time);
}

function prepare(form, slider, none) {
  const field = document.getElementById(slider.dataset.slider);
  const output = form.querySelector(`[data-slider-text=${slider.dataset.slider}]`);
  const [from, to] = [Date.parse(slider.dataset.from), Date.parse(slider.dataset.to)];
  const edge = Math.max((to - from) * 0.02, 1);
  const [first, last] = [from - edge, to + edge];
  let waiting = 0;

  function tell() {
    const said = field.value ? text.format(new Date(`${field.value}Z`)) : none;
    output.textContent = said;
    slider.setAttribute("aria-valuetext", said);
  }

  function follow() {
    const at = field.value ? (steps * (Date.parse(`${field.value}Z`) - first)) / (last - first) : steps;
    slider.value = String(Math.min(field.value ? steps - 1 : steps, Math.max(0, Math.round(at))));
    tell();
  }

  slider.addEventListener("input", () => {
    const n = Number(slider.value);
    field.value = n >= steps ? "" : new Date(first + ((last - first) * n) / steps).toISOString().slice(0, 23);
    tell();
    clearTimeout(waiting);
    waiting = setTimeout(() => form.requestSubmit(), 250);
  });
  slider.addEventListener("change", (event) => event.stopPropagation());
  field.addEventListener("change", follow);
  slider.hidden = false;
  follow();
}
