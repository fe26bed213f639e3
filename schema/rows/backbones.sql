-- Backbones of 2023 to 2025, by the tags that open_clip has their weights under. `pretrained_with`
-- has what could be read of how each was pretrained: the optimizer and the loss of fine-tuning had
-- better be the same (arXiv 2605.06654, 2605.10468). The loss of a backbone whose logits have a bias
-- is a sigmoid, and the objective `siglip` goes on with it; under a softmax the bias changes nothing.

INSERT INTO backbone (name, architecture, pretrained, pretrained_with, note)
SELECT name, architecture, 'webli', '{"loss": "sigmoid"}', 'SigLIP (arXiv 2303.15343)'
FROM (VALUES
    ('siglip_b16', 'ViT-B-16-SigLIP'),
    ('siglip_l16', 'ViT-L-16-SigLIP-256'),
    ('siglip_so400m14', 'ViT-SO400M-14-SigLIP')
) AS rows(name, architecture)
UNION ALL
SELECT name, architecture, 'webli',
    '{"optimizer": "adam", "loss": "sigmoid+captioning+distillation"}',
    'SigLIP 2 (arXiv 2502.14786); its texts are read by a tokenizer of 256,000 words'
FROM (VALUES
    ('siglip2_b32', 'ViT-B-32-SigLIP2-256'),
    ('siglip2_b16', 'ViT-B-16-SigLIP2'),
    ('siglip2_l16', 'ViT-L-16-SigLIP2-256'),
    ('siglip2_so400m16', 'ViT-SO400M-16-SigLIP2-256')
) AS rows(name, architecture)
UNION ALL
SELECT name, architecture, 'meta', '{"loss": "softmax+distillation"}',
    'Perception Encoder (arXiv 2504.13181), taught by its largest'
FROM (VALUES
    ('pe_core_t16', 'PE-Core-T-16-384'),
    ('pe_core_s16', 'PE-Core-S-16-384'),
    ('pe_core_b16', 'PE-Core-B-16'),
    ('pe_core_l14', 'PE-Core-L-14-336')
) AS rows(name, architecture)
UNION ALL
SELECT 'pe_core_bigg14', 'PE-Core-bigG-14-448', 'meta',
    '{"optimizer": "lamb", "loss": "softmax"}', 'Perception Encoder (arXiv 2504.13181), the largest'
UNION ALL
SELECT name, architecture, 'dfndr2b', '{"loss": "softmax+distillation"}',
    'MobileCLIP2 (arXiv 2508.20691): convolutions before attention; with statistics of a batch'
FROM (VALUES
    ('mobileclip2_s0', 'MobileCLIP2-S0'),
    ('mobileclip2_s2', 'MobileCLIP2-S2'),
    ('mobileclip2_s4', 'MobileCLIP2-S4'),
    ('mobileclip2_b', 'MobileCLIP2-B')
) AS rows(name, architecture)
UNION ALL
SELECT name, architecture, tag, '{"loss": "softmax"}', note
FROM (VALUES
    ('metaclip_b32', 'ViT-B-32-quickgelu', 'metaclip_fullcc', 'MetaCLIP (arXiv 2309.16671)'),
    ('metaclip_b16', 'ViT-B-16-quickgelu', 'metaclip_fullcc', 'MetaCLIP (arXiv 2309.16671)'),
    ('metaclip_l14', 'ViT-L-14-quickgelu', 'metaclip_fullcc', 'MetaCLIP (arXiv 2309.16671)'),
    ('metaclip2_h14', 'ViT-H-14-worldwide', 'metaclip2_worldwide',
     'MetaCLIP 2 (arXiv 2507.22062): texts of all languages'),
    ('dfn_b16', 'ViT-B-16-quickgelu', 'dfn2b', 'DFN (arXiv 2309.17425), filtered pairs'),
    ('dfn_l14', 'ViT-L-14-quickgelu', 'dfn2b', 'DFN (arXiv 2309.17425), filtered pairs'),
    ('dfn_h14', 'ViT-H-14-quickgelu', 'dfn5b', 'DFN (arXiv 2309.17425), filtered pairs')
) AS rows(name, architecture, tag, note)
UNION ALL
SELECT name, architecture, tag, '{"optimizer": "lamb", "loss": "softmax"}',
    'EVA-CLIP (arXiv 2303.15389), begun at towers that were pretrained apart'
FROM (VALUES
    ('eva02_b16', 'EVA02-B-16', 'merged2b_s8b_b131k'),
    ('eva02_l14', 'EVA02-L-14', 'merged2b_s4b_b131k')
) AS rows(name, architecture, tag)
ON CONFLICT DO NOTHING;
