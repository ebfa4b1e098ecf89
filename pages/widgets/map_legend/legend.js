// A legend whose entries switch what they stand for on and off. Tells the page {section: [names that are off]}.
export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".legend");
  const off = data.off;

  function made(tag, text, more = {}) {
    return Object.assign(document.createElement(tag), { textContent: text }, more);
  }

  function say(section, names) {
    off[section] = names;
    draw();
    setStateValue("off", { ...off });
  }

  function entry(section, one) {
    const names = off[section.key] || [], gone = names.includes(one.name);
    const row = made("button", "", { className: "entry", type: "button" });
    row.setAttribute("role", "checkbox");
    row.setAttribute("aria-checked", String(!gone));
    const mark = made("i", "", { className: section.round ? "round" : "" }), title = made("span", one.title);
    mark.style.background = one.color;
    if (one.title_fr && one.title_fr !== one.title) title.append(made("small", one.title_fr));
    row.append(mark, title, made("b", one.amount));
    row.onclick = () => say(section.key, gone ? names.filter((name) => name !== one.name) : [...names, one.name]);
    return row;
  }

  function ramp(section) {
    const bar = made("div", "", { className: "ramp" }), ticks = made("div", "", { className: "ticks" });
    bar.style.background = `linear-gradient(to right, ${section.ramp.map(([share, colour]) => `${colour} ${100 * share}%`).join(", ")})`;
    ticks.append(...section.ticks.map((text) => made("span", text)));
    return [bar, ticks];
  }

  function draw() {
    const focused = [...root.querySelectorAll("button")].indexOf(root.getRootNode().activeElement);
    root.replaceChildren(...data.sections.map((section) => {
      const part = made("section", ""), head = made("h4", section.title);
      part.append(head);
      if (section.ramp.length) return part.append(...ramp(section)), part;
      const both = made("span", "");
      both.append(
        made("button", "all", { type: "button", onclick: () => say(section.key, []) }),
        made("button", "none", { type: "button", onclick: () => say(section.key, section.entries.map((one) => one.name)) }),
      );
      head.append(both);
      part.append(...section.entries.map((one) => entry(section, one)));
      return part;
    }));
    if (focused >= 0) root.querySelectorAll("button")[focused]?.focus();
  }

  draw();
}
