# SPDX-License-Identifier: Apache-2.0
"""What transformers makes of a config: random weights on disk, and logits in bfloat16 and float32."""
import gc
import os

import torch

import weights_file


class Reference:
    """A model of transformers with random weights: everything as it initializes it, but norms that are not all one and
    biases that are not all zero."""

    def __init__(self, config_file, seed, device):
        from transformers import AutoConfig, AutoModelForCausalLM
        from transformers.utils import logging
        logging.disable_progress_bar()
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(config_file)
        config._attn_implementation = "sdpa"
        with torch.device(device):
            self.model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
            for name, parameter in self.model.named_parameters():
                if "norm" in name:
                    parameter.data.copy_(1 + 0.1 * torch.randn(parameter.shape))
                elif name.endswith(".bias"):
                    parameter.data.copy_(0.2 * torch.randn(parameter.shape))
        self.device, self.vocab_size = device, config.vocab_size
        self.bytes = sum(p.numel() * p.element_size() for p in self.model.parameters())

    def save(self, folder, jobs=os.cpu_count()):
        """What save_pretrained writes, by `jobs` threads."""
        self.model.config.save_pretrained(folder)
        tied = self.model.config.tie_word_embeddings
        tensors = {name: tensor.view(-1) for name, tensor in self.model.state_dict().items()
                   if not (tied and name == "lm_head.weight")}
        shapes = {name: self.model.get_parameter(name).shape for name in tensors}

        def elements(name, begin, end):
            return tensors[name][begin:end].cpu().view(torch.uint16).numpy()
        weights_file.write(folder / "model.safetensors", shapes, elements, jobs)

    def ids(self, count):
        return torch.randint(self.vocab_size, (count,), device=self.device)

    def logits(self, ids, rows):
        """The rows of logits of one pass over all ids: float32 [len(rows), vocab]."""
        with torch.no_grad():
            hidden = self.model.model(ids[None], use_cache=False).last_hidden_state[0, rows]
            return self.model.lm_head(hidden).float()

    def both_logits(self, ids, rows):
        """In bfloat16, then in float32, in which the model stays."""
        narrow = self.logits(ids, rows)
        self.model.float()
        return narrow, self.logits(ids, rows)

    def close(self):
        self.model = None
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()
