(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const panel = document.getElementById("panel");
  const clear = () => all(".hit").forEach((element) => element.classList.remove("hit"));
  const element = (name, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const evidenceOf = (row) => row.cells[2].textContent.split(" ").filter(Boolean);
  const close = () => {
    panel.hidden = true;
    clear();
  };
  const light = (ids) => {
    all(".pin").forEach((pin) => pin.classList.toggle("hit", ids.includes(pin.dataset.evidence)));
    ids.forEach((id) => document.getElementById(id)?.classList.add("hit"));
  };

  all("[data-sentence]").forEach((sentence) => sentence.setAttribute("tabindex", "0"));

  // The ledger row of a sentence, with its evidence, in the corner.
  const show = (id) => {
    const row = document.getElementById("L-" + id);
    if (!row) return;
    clear();
    const cells = row.cells;
    const ids = evidenceOf(row);
    const head = element("h3", id);
    head.append(element("span", cells[1].textContent));
    const shut = element("button", "close");
    shut.addEventListener("click", close);
    head.append(shut);
    panel.replaceChildren(head);
    for (const evidence of ids) {
      const copy = document.getElementById(evidence)?.cloneNode(true);
      if (!copy) continue;
      copy.removeAttribute("id");
      copy.classList.remove("hit");
      panel.append(copy);
    }
    if (cells[3].textContent.trim()) {
      const from = element("div");
      from.className = "from sub";
      from.textContent = "derived from " + cells[3].textContent.trim();
      panel.append(from);
    }
    panel.hidden = false;
    light(ids);
    document.getElementById(id)?.classList.add("hit");
  };

  // Pins of the chosen hypothesis are filled.
  const choose = (card) => {
    all(".hyp").forEach((other) => other.classList.toggle("sel", other === card));
    all(".pin").forEach((pin) =>
      pin.classList.toggle("on", (pin.dataset.hypotheses ?? "").split(" ").includes(card.dataset.hypothesis)));
  };

  document.addEventListener("click", (event) => {
    const sentence = event.target.closest("[data-sentence]");
    const pin = event.target.closest(".pin");
    const card = event.target.closest(".hyp");
    if (card) choose(card);
    if (sentence && !sentence.closest("#panel")) {
      if (sentence.closest("summary")) event.preventDefault();
      show(sentence.dataset.sentence);
    } else if (pin) {
      clear();
      light([pin.dataset.evidence]);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    const sentence = event.target.closest?.("[data-sentence]");
    if (sentence && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      show(sentence.dataset.sentence);
    }
  });
  document.addEventListener("mouseover", (event) => {
    const sentence = event.target.closest?.("[data-sentence]");
    const row = sentence && document.getElementById("L-" + sentence.dataset.sentence);
    const ids = row ? evidenceOf(row) : null;
    if (ids && panel.hidden) all(".pin").forEach((pin) => pin.classList.toggle("hit", ids.includes(pin.dataset.evidence)));
  });
  document.addEventListener("mouseout", (event) => {
    if (event.target.closest?.("[data-sentence]") && panel.hidden) all(".pin.hit").forEach((pin) => pin.classList.remove("hit"));
  });
  const reveal = () => {
    for (let at = location.hash && document.getElementById(location.hash.slice(1)); at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
    }
  };
  window.addEventListener("hashchange", reveal);
  reveal();
  window.addEventListener("beforeprint", () => all("details").forEach((details) => details.setAttribute("open", "")));
})();
